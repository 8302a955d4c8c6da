"""What a vocabulary is good for: its longest tokens, those a text never uses, and what each script costs.

Read a text, count every id. A token that occurs a handful of times in the training text is *undertrained*: its
embedding has hardly moved since initialisation, and a prompt that contains it sends the model astray (Land and Bartolo
2024, "Fishing for Magikarp"). With a prepared dataset the counts are those the model really learns from.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from glassformer.corpora import corpus
from glassformer.data.clean.scripts import SCRIPTS, Classes
from glassformer.errors import TokenizerError
from glassformer.lens.tokens import Named
from glassformer.lens.tokens.find import sample, shrunk
from glassformer.lens.tokens.view import cell
from glassformer.tokenizers import Tokenizer, well_formed

MOST = 5_000_000
"""Characters read from a source."""
RARE = 10
"""A token seen fewer times than this is undertrained."""
LISTED = 24


@dataclass
class Counts:
    """What was counted in some texts."""

    of_id: np.ndarray  # (V,) int64
    tokens_of: dict[str, int] = field(default_factory=dict)  # per class of characters
    bytes_of: dict[str, int] = field(default_factory=dict)
    not_covered: int = 0  # texts that do not come back, left out of the classes


def count(tokenizer: Tokenizer, texts: Iterable[str]) -> Counts:
    """How often each id occurs, and the tokens and bytes of each class of characters.

    A token belongs to the class of its last character (" the" is Latin). Texts that the tokenizer refuses are skipped.
    """
    counts = Counts(np.zeros(tokenizer.vocab_size, np.int64))
    lengths = np.array([len(piece) for piece in tokenizer.token_bytes])
    names = list(SCRIPTS)
    tokens, n_bytes = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64)
    class_of = Classes()
    for text in map(well_formed, texts):
        try:
            ids = np.array(tokenizer.encode(text), np.int64)
        except TokenizerError:
            counts.not_covered += 1
            continue
        counts.of_id += np.bincount(ids, minlength=len(counts.of_id))
        if int(lengths[ids].sum()) != len(text.encode()):
            counts.not_covered += 1
        elif len(ids):
            classes = class_of.of_bytes(text)[np.cumsum(lengths[ids]) - 1]
            tokens += np.bincount(classes, minlength=len(names))
            n_bytes += np.bincount(classes, weights=lengths[ids], minlength=len(names)).astype(np.int64)
    counts.tokens_of, counts.bytes_of = dict(zip(names, tokens.tolist())), dict(zip(names, n_bytes.tolist()))
    return counts


def report(named: Named, source: str, console: Console) -> None:
    """Print the report of a tokenizer on a source: a corpus, a file or folder, or a prepared dataset. Raises GlassError."""
    tokenizer = named.tokenizer
    texts, where = _texts(tokenizer, source)
    with console.status(f"counting tokens in {where}"):
        counts = count(tokenizer, texts)
    special = set(tokenizer.special.values())
    ordinary = np.array([id for id in range(tokenizer.vocab_size) if id not in special and tokenizer.token_bytes[id]])
    seen = counts.of_id[ordinary]
    console.print(Text(named.label, style="bold cyan").append(f"  {tokenizer.name}, {named.origin}", "not bold dim"))
    console.print(f"on {where}: {counts.of_id.sum():,} tokens\n", markup=False)
    if counts.not_covered:
        console.print(
            f"texts that do not come back whole, left out of this table: {counts.not_covered:,}", style="yellow"
        )
    console.print(_by_class(counts))
    lengths = np.array([len(tokenizer.token_bytes[id]) for id in ordinary])
    longest_first = np.argsort(-lengths, kind="stable")
    _list(console, "longest tokens", tokenizer, ordinary[longest_first], counts)
    _list(console, "most frequent", tokenizer, ordinary[np.argsort(-seen, kind="stable")], counts)
    unused, rare = ordinary[longest_first[seen[longest_first] == 0]], ordinary[(seen > 0) & (seen < RARE)]
    share = f"of {len(ordinary):,}"
    _list(console, f"never used: {len(unused):,} {share}", tokenizer, unused, counts)
    title = f"undertrained, seen 1 to {RARE - 1} times: {len(rare):,} {share}"
    _list(console, title, tokenizer, rare[np.argsort(counts.of_id[rare], kind="stable")], counts)


def _texts(tokenizer: Tokenizer, source: str) -> tuple[Iterable[str], str]:
    """Texts of a source, and what to call them; the documents of a dataset are decoded, and encode to its own ids."""
    if not (Path(source) / "index.json").is_file():
        return sample((document.text for document in shrunk(corpus(source), MOST).documents()), MOST), source
    from glassformer.data.shards import Dataset

    data = Dataset.open(source)
    if data.tokenizer.fingerprint() != tokenizer.fingerprint():
        raise TokenizerError(f"{source} was prepared with another tokenizer: add --tokenizer {source}")
    train = data.train
    documents = (train.tokens[int(a) + 1 : int(b)] for a, b in zip(train.documents, train.documents[1:]))
    return sample((tokenizer.decode(ids.tolist()) for ids in documents), MOST), f"{source} (train)"


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


def _list(console: Console, title: str, tokenizer: Tokenizer, ids: np.ndarray, counts: Counts) -> None:
    console.print(f"\n{title}", style="bold")
    shown = enumerate(ids[:LISTED].tolist())
    console.print(Columns([cell(i, tokenizer.token_bytes[id], str(id), f"x{counts.of_id[id]:,}") for i, id in shown]))
