"""A text cut into tokens: in colour, and each token with its id and the bytes it stands for."""

import unicodedata
from collections.abc import Sequence

from rich.columns import Columns
from rich.console import Console
from rich.text import Text

from glassformer.lens.tokens import Named

COLOURS = ("white on blue", "black on cyan", "white on magenta", "black on green", "black on yellow")
"""Of neighbouring tokens, in turn; of the sixteen that every terminal has."""
MOST_CELLS = 300
MOST_BYTES = 4000
VISIBLE = {" ": "·", "\n": "⏎", "\r": "␍", "\t": "⇥"}


def show(named: Named, text: str, console: Console) -> None:
    """Print the text in coloured tokens, then each token with id and byte span."""
    tokenizer = named.tokenizer
    ids = tokenizer.encode(text)
    pieces = [tokenizer.decode_bytes([id]) for id in ids]
    console.print(heading(named, len(ids), len(text.encode())))
    console.print()
    if not tokenizer.covers(text):
        console.print("This tokenizer does not give this text back; what it keeps:", style="bold yellow")
    console.print(coloured(pieces, console))
    console.print()
    cells, start = [], 0
    for i, (id, piece) in enumerate(zip(ids[:MOST_CELLS], pieces)):
        cells.append(cell(i, piece, f"{id}", f"{start}-{start + len(piece)}"))
        start += len(piece)
    if cells:
        console.print(Columns(cells, padding=(0, 3)))
    if len(ids) > MOST_CELLS:
        console.print(f"... and {len(ids) - MOST_CELLS:,} tokens more", style="dim")


def heading(named: Named, n_tokens: int, n_bytes: int) -> Text:
    """One line: whose tokenizer, how large, how many tokens."""
    tokenizer = named.tokenizer
    line = Text(named.label, style="bold cyan")
    line.append(f"  {tokenizer.name}, {tokenizer.vocab_size:,} ids, {named.origin}\n", style="not bold dim")
    rate = f" = {n_bytes / n_tokens:.2f} bytes per token" if n_tokens else ""
    return line.append(f"{n_tokens:,} tokens for {n_bytes:,} bytes{rate}", style="not bold default")


def coloured(pieces: Sequence[bytes], console: Console) -> Text:
    """Tokens side by side, each on its colour, or with `|` between them where there are no colours.

    A line break shows, and breaks the line. Long texts are cut off.
    """
    line, shown = Text(), 0
    border = "|" if console.no_color or console.color_system is None else ""
    for i, piece in enumerate(pieces):
        if shown > MOST_BYTES:
            line.append(f" ... and {len(pieces) - i:,} tokens more", style="dim")
            break
        line.append(border * (i > 0)).append(visible(piece), style=COLOURS[i % len(COLOURS)])
        if piece.endswith(b"\n") and i + 1 < len(pieces):
            line.append("\n")
        shown += len(piece)
    return line


def visible(piece: bytes) -> str:
    """The token as characters that a terminal shows and does not obey; bytes of half a character as `<e2>`.

    >>> visible(b" the\\n"), visible(b"\\xe7\\x8c"), visible(b"\\x1b[1m")
    ('·the⏎', '<e7><8c>', '<1b>[1m')
    """
    shown = "".join(_character(c) for c in piece.decode("utf-8", errors="surrogateescape"))
    return "◌" + shown if shown and unicodedata.combining(shown[0]) else shown


def _character(character: str) -> str:
    if character in VISIBLE:
        return VISIBLE[character]
    if character.isprintable() or character == "\u200d":
        return character
    return "".join(f"<{value:02x}>" for value in character.encode("utf-8", errors="surrogateescape"))


def cell(i: int, piece: bytes, bold: str, dim: str) -> Text:
    """One token on the i-th colour, with two facts about it; a long one is cut off."""
    shown = visible(piece)
    shown = shown if len(shown) <= 24 else shown[:21] + "..."
    text = Text(no_wrap=True).append(shown, COLOURS[i % len(COLOURS)])
    return text.append(f" {bold}", "bold").append(f" {dim}", "dim")
