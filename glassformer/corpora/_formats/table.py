"""Tables of text (csv, tsv): a header, then a document in each row's text column.

The delimiter, and whether quotes quote, are those that give the first rows the width of the header. A quote that is
never closed would swallow the rest of the file in silence, so quoting is strict, a row has a longest length, and a row
whose width is not the header's is reported, not guessed at.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from io import BufferedReader
from typing import Any, BinaryIO

from glassformer.corpora import Document, Skipped
from glassformer.corpora._formats import pieces
from glassformer.corpora._formats.encoding import Utf8, utf8
from glassformer.corpora._formats.fields import column, missing
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.stream import Unreadable

SAMPLE = 1 << 16
"""Bytes at the start that decide how a table is written."""
_QUOTED: dict[str, Any] = {"quoting": csv.QUOTE_MINIMAL, "strict": True}
_PLAIN: dict[str, Any] = {"quoting": csv.QUOTE_NONE}
DIALECTS: tuple[dict[str, Any], ...] = (
    {"delimiter": ",", **_QUOTED}, {"delimiter": "\t", **_QUOTED}, {"delimiter": "\t", **_PLAIN},
    {"delimiter": ";", **_QUOTED}, {"delimiter": "|", **_QUOTED},
)  # fmt: skip

_NAME = re.compile(r"[\w.-]{1,64}")  # the head of a single column; anything longer is a text already
_NUMBER = re.compile(r"\s*[-+]?[\d.,]*([eE][-+]?\d+)?\s*|(?i:true|false|null|nan|none)")


def read(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Document]:
    """One document or `Skipped` for each row. Origins name the line where the row begins: `file.csv:12`."""
    source = utf8(file, knobs.encoding)
    csv.field_size_limit(pieces.PIECE_BYTES)
    first = _first_lines(source.file)
    dialect = _dialect(first)
    sample = list(_good_rows(first, dialect))
    if not sample:
        if first:
            raise Unreadable("has no header", f" in its first {SAMPLE} bytes; give a row of column names")
        return
    width, at = len(sample[0]), _text_column(sample, knobs.text_field)
    awaiting_header = width > 1 or bool(_NAME.fullmatch(sample[0][0]))
    for place, row in _rows(source.file, dialect, origin):
        if isinstance(row, Unreadable):
            yield Skipped.because(place, row.reason, row.detail)
        elif awaiting_header:
            awaiting_header = False
        elif len(row) != width:
            detail = f" ({len(row)} columns instead of {width}); put the field with the delimiter in quotes"
            yield Skipped.because(place, "is not a row of its table", detail)
        else:
            yield _document(row[at], place, source)


def _document(text: str, origin: str, source: Utf8) -> Document:
    try:
        text.encode()
    except UnicodeEncodeError:
        return Skipped.because(origin, *source.invalid)
    return Document(text, origin, note=source.note) if text.strip() else Skipped.because(origin, "is empty")


def _text_column(sample: list[list[str]], text_field: str) -> int:
    """Which column holds the text, by the header and the first rows. Raises Unreadable."""
    header, rows = sample[0], [row for row in sample[1:] if len(row) == len(sample[0])]
    if len(header) == 1:
        return 0
    texts = [name for i, name in enumerate(header) if any(not _NUMBER.fullmatch(row[i]) for row in rows)]
    name = column(header, texts, text_field)
    if name is None:
        raise Unreadable("has no column", missing(text_field, header))
    return header.index(name)


def _rows(file: BufferedReader, dialect: dict[str, Any], origin: str) -> Iterator[tuple[str, Any]]:
    """(origin, row) of every row that is not blank; an `Unreadable` in the place of a broken one."""
    lines = _Lines(file)
    rows = csv.reader(lines, **dialect)
    while True:
        start, lines.n_bytes = lines.number + 1, 0
        place = f"{origin}:{start}"
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            lost = f"lines {start} to {lines.number} are lost" if lines.number > start else "it is lost"
            yield place, Unreadable("is not valid CSV", f" ({error}); {lost}: see to its quotes")
        else:
            if row:
                yield place, row


class _Lines(Iterator[str]):
    """The lines of a file for `csv.reader`; bytes that are not UTF-8 become lone surrogates."""

    def __init__(self, file: BufferedReader) -> None:
        self._file, self.number, self.n_bytes = file, 0, 0

    def __next__(self) -> str:
        line = self._file.readline(pieces.PIECE_BYTES)
        if not line:
            raise StopIteration
        self.number += 1
        self.n_bytes += len(line)
        if self.n_bytes > 2 * pieces.PIECE_BYTES or (len(line) == pieces.PIECE_BYTES and line[-1:] != b"\n"):
            while line and line[-1:] != b"\n":
                line = self._file.readline(pieces.PIECE_BYTES)
            raise csv.Error(f"the row is over {pieces.PIECE_BYTES:,} bytes long")
        return line.decode("utf-8", "surrogateescape")


def _first_lines(file: BufferedReader) -> list[str]:
    """The lines at the start, without reading over them; a cut last one is left out."""
    data = file.peek(SAMPLE)
    lines = data[:SAMPLE].decode("utf-8", "surrogateescape").splitlines(keepends=True)
    return lines[:-1] if len(data) > SAMPLE and len(lines) > 1 else lines


def _good_rows(lines: Iterable[str], dialect: dict[str, Any]) -> Iterator[list[str]]:
    rows = csv.reader(lines, **dialect)
    while True:
        try:
            if row := next(rows):
                yield row
        except StopIteration:
            return
        except csv.Error:
            pass


def _dialect(lines: list[str]) -> dict[str, Any]:
    """Of those that divide the header, the one under which most rows are as wide; the first of equals."""
    counts = []
    for dialect in DIALECTS:
        widths = [len(row) for row in _good_rows(lines, dialect)] or [0]
        regular = widths.count(widths[0])
        counts.append((widths[0] > 1, regular / len(widths), regular))
    return DIALECTS[counts.index(max(counts))]
