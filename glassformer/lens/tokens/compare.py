"""Tokenizers side by side on one text: how many tokens, how many bytes in each, and how well a model predicts them.

Bits per byte is the model's own number and does not depend on how text is cut, so runs with different tokenizers can
be compared by it. A text that the model learned by heart costs few bits; take one that none of them has seen.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from glassformer.errors import TokenizerError
from glassformer.lens.tokens import Named
from glassformer.lens.tokens.view import coloured

SHOWN = 600
"""Bytes of text up to which the tokens themselves are shown too."""
JUDGED = 50_000
"""Characters of a long text that a model reads for its bits per byte."""


def compare(all_named: Sequence[Named], text: str, console: Console) -> None:
    """Print a table, a row for each tokenizer, and for a short text its tokens. Raises GlassError."""
    n_bytes = len(text.encode())
    if not n_bytes:
        raise TokenizerError("there is no text to compare on: give at least one character")
    with_model = any(named.checkpoint for named in all_named)
    table = Table(title=f"{n_bytes:,} bytes of text", title_justify="left", box=None, header_style="bold")
    table.add_column("tokenizer", style="cyan", overflow="fold")
    table.add_column("kind")
    for column in ("ids", "tokens", "bytes per token", *["bits per byte"] * with_model):
        table.add_column(column, justify="right")
    table.add_column("comes back")
    for named in all_named:
        table.add_row(*_row(named, text, n_bytes, with_model))
    console.print(table)
    for named in all_named if n_bytes <= SHOWN else []:
        console.print(f"\n{named.label}", style="cyan", markup=False)
        try:
            ids = named.tokenizer.encode(text)
        except TokenizerError as error:
            console.print(str(error), style="yellow", markup=False)
            continue
        console.print(coloured([named.tokenizer.decode_bytes([id]) for id in ids], console))


def _row(named: Named, text: str, n_bytes: int, with_model: bool) -> list[str]:
    tokenizer = named.tokenizer
    row = [named.label, tokenizer.name, f"{tokenizer.vocab_size:,}"]
    try:
        n_tokens = len(tokenizer.encode(text))
    except TokenizerError:
        return [*row, "-", "-", *["-"] * with_model, "[yellow]no[/]"]
    row += [f"{n_tokens:,}", f"{n_bytes / max(1, n_tokens):.2f}"]
    covered = tokenizer.covers(text)
    if with_model:
        row.append(f"{bits_per_byte(named.checkpoint, text):.3f}" if named.checkpoint and covered else "-")
    return [*row, "yes" if covered else "[yellow]in part[/]"]


def bits_per_byte(checkpoint_folder: Path, text: str) -> float:
    """How many bits a byte of this text costs the model, read from its start in windows of the model's context.

    Of a long text only the first JUDGED characters are read.
    """
    import torch

    from glassformer.runs import checkpoint

    text, saved = text[:JUDGED], checkpoint.load(checkpoint_folder)
    model, tokenizer = saved.model(), saved.tokenizer()
    ids = torch.tensor([[tokenizer.end_of_text, *tokenizer.encode(text)]])
    length, nats = model.config.context_length, 0.0
    with torch.no_grad():
        for start in range(0, ids.shape[1] - 1, length):
            window = ids[:, start : start + length + 1]
            nats += model(window[:, :-1], targets=window[:, 1:]).double().sum().item()
    return nats / math.log(2) / len(text.encode())
