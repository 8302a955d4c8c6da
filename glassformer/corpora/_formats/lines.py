"""The lines of a file, read a little at a time.

A line ends with a line feed, with or without a carriage return before it. In files of old Macs, and of Excel's "CSV
(Macintosh)", it ends with a carriage return alone. The beginning of a file decides which of the two it is, so that a
carriage return inside a text of the first kind, or a line feed inside one of the second, stays a character of the text.
"""

import re
from collections.abc import Iterator
from io import BufferedReader

from glassformer.corpora._formats import pieces
from glassformer.corpora._formats.stream import stream

_LOOKED_AT = 1 << 16
_QUOTED = re.compile(rb"""\"[^"]*(?:"|\Z)|(?<![^,;|\t\r\n])'(?:[^']|'')*+(?:'|\Z)""")
_END = re.compile(rb"\r?\n|\r")
_EXCHANGED = bytes.maketrans(b"\r\n", b"\n\r")


def lines(file: BufferedReader, is_table: bool = False) -> Iterator[bytes]:
    """Every line with its end. A line longer than `pieces.VALUE_BYTES` is given in parts of that size."""
    if not end_with_returns(file.peek(_LOOKED_AT)[:_LOOKED_AT], is_table):
        while line := file.readline(pieces.VALUE_BYTES):
            yield line
        return
    exchanged = stream(chunk.translate(_EXCHANGED) for chunk in iter(lambda: file.read1(_LOOKED_AT), b""))
    while line := exchanged.readline(pieces.VALUE_BYTES):
        yield line.translate(_EXCHANGED)


def end_with_returns(head: bytes, is_table: bool = False) -> bool:
    """Whether the lines of a file that begins with `head` end with a carriage return alone, as its first line does.

    In a table, quoted fields do not count, since they may hold any character.
    """
    if b"\r" not in head:
        return False
    end = _END.search(_QUOTED.sub(b"", head) if is_table else head)
    return bool(end) and end[0] == b"\r"


def is_part(line: bytes) -> bool:
    """Whether this is a part of a line that is too long, but not the last part."""
    return len(line) == pieces.VALUE_BYTES and not line.endswith((b"\n", b"\r"))
