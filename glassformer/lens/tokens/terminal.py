"""`glass tokenize`: what its options ask for, printed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from glassformer.errors import SettingError
from glassformer.lens.tokens import Named, find
from glassformer.lens.tokens.colours import COLOURS, cell, coloured, visible
from glassformer.lens.tokens.compare import Row, rows
from glassformer.lens.tokens.cut import cut
from glassformer.lens.tokens.replay import Step, steps
from glassformer.lens.tokens.vocabulary import RARE, Counts, usage
from glassformer.system.command import typed
from glassformer.tokenizers import Tokenizer, _formats
from glassformer.tokenizers.bpe import BPETokenizer

MOST_CELLS = 300
MOST_STEPS = 200
SHOWN_WHOLE = 400
"""Bytes up to which `--replay` shows the text anew after each merge."""
COMPARED = 600
"""Bytes of text up to which `--compare` shows the tokens themselves too."""
LISTED = 24


def tokenize(
    console: Console, text: str | None, others: list[str], name: str | None, replay: bool, compare: bool,
    report: str | None, save: Path | None, pattern: str | None,
) -> None:  # fmt: skip
    """Do what the options say, one after another. Raises GlassError."""
    if text is None and report is None and save is None:
        raise SettingError(f"say what to tokenize, for example: {typed('tokenize', 'Once upon a time')}")
    if others and not compare:
        raise SettingError(f"'{others[0]:.60}' is one word too many: put the text in quotes, or add --compare")
    if text is None and (compare or replay):
        raise SettingError(f"--compare and --replay need a text: {typed('tokenize', 'TEXT')} ...")
    content = None if text is None else find.text(text)
    if compare and content is not None:
        print_comparison(_all_found(console, [*others, *([name] if name else [])], pattern), content, console)
        return
    if name is None and report is not None and (Path(report) / "index.json").is_file():
        name = report  # a dataset knows its tokenizer
    named = find.tokenizer(name, pattern)
    if content is not None:
        (print_replay if replay else print_tokens)(named, content, console)
    if report is not None:
        print_report(named, report, console)
    if save is not None:
        for path in _formats.write(named.tokenizer, save):
            console.print(f"wrote {path}", markup=False, soft_wrap=True)


def _all_found(console: Console, names: list[str], pattern: str | None) -> list[Named]:
    if not names:
        raise SettingError(f"say which tokenizers: {typed('tokenize', 'TEXT', '--compare', 'byte', 'bpe', 'runs/demo')}")
    found: list[Named] = []
    for name in names:
        with console.status(f"fetching {name}"):
            found.append(find.tokenizer(name, pattern))
    return found


def _heading(named: Named, n_tokens: int, n_bytes: int) -> Text:
    """One line: whose tokenizer, how large, how many tokens."""
    tokenizer = named.tokenizer
    line = Text(named.label, style="bold cyan")
    line.append(f"  {tokenizer.name}, {tokenizer.vocab_size:,} ids, {named.origin}\n", style="not bold dim")
    rate = f" = {n_bytes / n_tokens:.2f} bytes per token" if n_tokens else ""
    return line.append(f"{n_tokens:,} tokens for {n_bytes:,} bytes{rate}", style="not bold default")


def print_tokens(named: Named, text: str, console: Console) -> None:
    """The text in coloured tokens, then each token with its id and the bytes it covers."""
    tokens = cut(named.tokenizer, text)
    console.print(_heading(named, len(tokens), len(text.encode())))
    console.print()
    if not named.tokenizer.covers(text):
        console.print("This tokenizer does not give this text back; what it keeps:", style="bold yellow")
    console.print(coloured([token.piece for token in tokens], console))
    console.print()
    cells = [
        cell(i, token.piece, f"{token.id}", f"{token.start}-{token.end}") for i, token in enumerate(tokens[:MOST_CELLS])
    ]
    if cells:
        console.print(Columns(cells, padding=(0, 3)))
    if len(tokens) > MOST_CELLS:
        console.print(f"... and {len(tokens) - MOST_CELLS:,} tokens more", style="dim")


def print_replay(named: Named, text: str, console: Console) -> None:
    """Every merge of `--replay`. Raises TokenizerError for a tokenizer without merges, or a text too long to watch."""
    all_steps, n_bytes = steps(named, text), len(text.encode())
    console.print(_heading(named, len(all_steps[-1].tokens), n_bytes))
    assert isinstance(named.tokenizer, BPETokenizer)
    n_merges = len(named.tokenizer.merges)
    console.print(f"{len(all_steps) - 1} of its {n_merges:,} merges find something to join here", style="dim")
    for step in all_steps[: MOST_STEPS + 1]:
        console.print(_step(step), no_wrap=True, overflow="ellipsis")
        if n_bytes <= SHOWN_WHOLE:
            console.print(coloured(step.tokens, console))
    if len(all_steps) > MOST_STEPS + 1:
        console.print(f"... and {len(all_steps) - MOST_STEPS - 1:,} merges more", style="dim")
    if n_bytes > SHOWN_WHOLE:
        console.print("\nat the end:")
        console.print(coloured(all_steps[-1].tokens, console))


def _step(step: Step) -> Text:
    if not step.number:
        return Text(f"\nbytes: {len(step.tokens):,} tokens", style="bold")
    line = Text(f"\nmerge {step.number}: ", style="bold")
    line.append(visible(step.left), style="not bold " + COLOURS[0]).append(" + ", style="not bold")
    line.append(visible(step.right), style="not bold " + COLOURS[1]).append(" = ", style="not bold")
    line.append(visible(step.left + step.right), style="bold " + COLOURS[2])
    places = "once" if step.joined == 1 else f"{step.joined} times"
    return line.append(f"  {places}, {len(step.tokens):,} tokens left", style="not bold dim")


def print_comparison(all_named: Sequence[Named], text: str, console: Console) -> None:
    """A table with a row for each tokenizer, and for a short text its tokens. Raises GlassError."""
    compared, n_bytes = rows(all_named, text), len(text.encode())
    with_model = any(named.checkpoint for named in all_named)
    table = Table(title=f"{n_bytes:,} bytes of text", title_justify="left", box=None, header_style="bold")
    table.add_column("tokenizer", style="cyan", overflow="fold")
    table.add_column("kind")
    for column in ("ids", "tokens", "bytes per token", *["bits per byte"] * with_model):
        table.add_column(column, justify="right")
    table.add_column("comes back")
    for row in compared:
        table.add_row(*_cells(row, with_model))
    console.print(table)
    for row in compared if n_bytes <= COMPARED else []:
        console.print(f"\n{row.named.label}", style="cyan", markup=False)
        if row.ids is None:
            console.print(row.refusal, style="yellow", markup=False)
        else:
            console.print(coloured([row.named.tokenizer.decode_bytes([id]) for id in row.ids], console))


def _cells(row: Row, with_model: bool) -> list[str]:
    tokenizer = row.named.tokenizer
    cells = [row.named.label, tokenizer.name, f"{tokenizer.vocab_size:,}"]
    if row.ids is None:
        return [*cells, "-", "-", *["-"] * with_model, "[yellow]no[/]"]
    cells += [f"{len(row.ids):,}", f"{row.bytes_per_token:.2f}"]
    if with_model:
        cells.append("-" if row.bits_per_byte is None else f"{row.bits_per_byte:.3f}")
    return [*cells, "yes" if row.comes_back else "[yellow]in part[/]"]


def print_report(named: Named, source: str, console: Console) -> None:
    """What `--report` counts on a source: a corpus, a file or folder, or a prepared dataset. Raises GlassError."""
    tokenizer = named.tokenizer
    with console.status(f"counting tokens in {source}"):
        found = usage(tokenizer, source)
    counts = found.counts
    console.print(Text(named.label, style="bold cyan").append(f"  {tokenizer.name}, {named.origin}", "not bold dim"))
    console.print(f"on {found.where}: {counts.of_id.sum():,} tokens\n", markup=False)
    if counts.not_covered:
        console.print(
            f"texts that do not come back whole, left out of this table: {counts.not_covered:,}", style="yellow"
        )
    console.print(_by_class(counts))
    share = f"of {found.n_ordinary:,}"
    for title, ids in (
        ("longest tokens", found.longest),
        ("most frequent", found.most_frequent),
        (f"never used: {len(found.unused):,} {share}", found.unused),
        (f"undertrained, seen 1 to {RARE - 1} times: {len(found.undertrained):,} {share}", found.undertrained),
    ):
        console.print(f"\n{title}", style="bold")
        console.print(Columns(_listed(tokenizer, ids, counts)))


def _listed(tokenizer: Tokenizer, ids: np.ndarray, counts: Counts) -> list[Text]:
    shown = enumerate(ids[:LISTED].tolist())
    return [cell(i, tokenizer.token_bytes[id], str(id), f"x{counts.of_id[id]:,}") for i, id in shown]


def _by_class(counts: Counts) -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column("characters")
    for column in ("bytes", "tokens", "bytes per token"):
        table.add_column(column, justify="right")
    for name in sorted(counts.tokens_of, key=lambda name: -counts.bytes_of[name]):
        if n := counts.tokens_of[name]:
            table.add_row(name, f"{counts.bytes_of[name]:,}", f"{n:,}", f"{counts.bytes_of[name] / n:.2f}")
    total, n = sum(counts.bytes_of.values()), sum(counts.tokens_of.values())
    table.add_row("all", f"{total:,}", f"{n:,}", f"{total / max(1, n):.2f}", style="bold")
    return table
