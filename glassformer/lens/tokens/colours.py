"""Tokens as coloured text for a terminal: every character shows, and none is obeyed."""

import unicodedata
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

COLOURS = ("white on blue", "black on cyan", "white on magenta", "black on green", "black on yellow")
"""Of neighbouring tokens, in turn; of the sixteen that every terminal has."""
MOST_BYTES = 4000
VISIBLE = {" ": "·", "\n": "⏎", "\r": "␍", "\t": "⇥"}


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


def cell(i: int, piece: bytes, bold: str, dim: str) -> Text:
    """One token on the i-th colour, with two facts about it; a long one is cut off."""
    shown = visible(piece)
    shown = shown if len(shown) <= 24 else shown[:21] + "..."
    text = Text(no_wrap=True).append(shown, COLOURS[i % len(COLOURS)])
    return text.append(f" {bold}", "bold").append(f" {dim}", "dim")


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
