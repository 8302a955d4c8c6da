"""Tables of text (csv, tsv): the text column of each row is a document.

The first rows decide once for the whole file how the table is written (`dialect`), whether it has a header, and which
column holds the text (`columns`); the note of each document tells what is unusual. A quote that is never closed would
swallow the rest of the file without a word, so quoting is strict, and a row that is not as wide as the header is reported.
A row that is too long to be held in memory is skipped with its quotes counted, so that the next row is found.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import BinaryIO, NamedTuple

from glassformer.corpora import Document, Skipped
from glassformer.corpora._formats import pieces
from glassformer.corpora._formats.columns import Columns, detect_columns
from glassformer.corpora._formats.dialect import Dialect, detect_dialect
from glassformer.corpora._formats.encoding import Utf8, utf8
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.lines import is_part, lines
from glassformer.corpora._formats.stream import Unreadable, first_items

SAMPLE = 1 << 16
"""How many bytes at the start of a file decide how it is written; more are read if they hold no row below the header."""
_TABS = re.compile(r"\.tsv(\.\w+)?$", re.IGNORECASE)
_HINT = re.compile(r"\"?sep=(.)\"?[\r\n]*", re.IGNORECASE)  # Excel takes such a first line, `sep=;`, as a hint
_LONGEST_FIELD = 2**31 - 1  # for the csv module: `_Lines` limits whole rows
_UNDECODED = re.compile("[\udc80-\udcff]")
# A line end inside a line is a character of its text. It is hidden from `csv`, which would raise an error.
_KEPT = str.maketrans("\r\n", "\udc0d\udc0a")
_GIVEN_BACK = str.maketrans("\udc0d\udc0a", "\r\n")


class _Table(NamedTuple):
    """A table whose first rows have been read."""

    dialect: Dialect
    columns: Columns
    lines: Iterator[bytes]
    """All its lines, from the first row on."""
    n_hints: int
    """How many lines stand before them: one if the file begins with a hint for Excel."""


def read(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Document]:
    """One document or `Skipped` for each row; long texts are cut. Origins name the row's first line: `file.csv:12`.

    Raises Unreadable if it is not clear which column holds the text.
    """
    source, usual = utf8(file, knobs.encoding), "\t" if _TABS.search(origin) else ","
    csv.field_size_limit(_LONGEST_FIELD)
    table = _first_rows(lines(source.file, is_table=True), usual, knobs.text_field)
    if table is None:
        return
    columns, awaits_header = table.columns, table.columns.has_header
    note = source.told(*table.dialect.told(usual, columns.width), *columns.told)
    for number, row in _rows(table.lines, table.dialect):
        place = f"{origin}:{number + table.n_hints}"
        if isinstance(row, Unreadable):
            yield Skipped.because(place, row.reason, row.detail)
        elif awaits_header:
            awaits_header = False
        elif len(row) != columns.width:
            detail = f" ({len(row)} columns instead of {columns.width}); put the field with the delimiter in quotes"
            yield Skipped.because(place, "is not a row of its table", detail)
        else:
            yield from _documents(row[columns.text], place, source, note)


def _first_rows(all_lines: Iterator[bytes], usual: str, text_field: str) -> _Table | None:
    """The table in these lines; None if all are blank. Lines are read until there is a row below the header."""
    first, rest = first_items(all_lines, SAMPLE)
    hint = _HINT.fullmatch(_text(first[0])) if first else None
    size, n_hint_bytes = SAMPLE, len(first.pop(0)) if hint else 0
    while True:
        n_bytes = n_hint_bytes + sum(map(len, first))
        sample = "".join(_text(line) for before, line in pairwise([b"", *first]) if not is_part(before) | is_part(line))
        dialect = detect_dialect(sample, n_bytes < size, usual, text_field, hint[1] if hint else "")
        rows = [row for _, row in _rows(iter(first), dialect) if isinstance(row, list)]
        if len(rows) > 1 or n_bytes < size or size > pieces.VALUE_BYTES:
            break
        size *= 8
        more, rest = first_items(rest, size - n_bytes)
        first += more
    if rows:
        return _Table(dialect, detect_columns(rows, text_field), chain(first, rest), int(hint is not None))
    next(rest, None)  # raises the error of a file that breaks so early
    if sample.strip():
        raise Unreadable("has no row that can be read", f" in its first {n_bytes:,} bytes; see to its quotes")
    return None


def _documents(text: str, origin: str, source: Utf8, note: str) -> Iterable[Document]:
    if not text.isascii():
        text = text.translate(_GIVEN_BACK) if "\udc0d" in text or "\udc0a" in text else text
        if _UNDECODED.search(text):
            return [Skipped.because(origin, *source.invalid)]
    return pieces.documents(text, origin, note) if text.strip() else [Skipped.because(origin, "is empty")]


def _text(line: bytes) -> str:
    """A line for `csv.reader`, with lone surrogates for bytes that are not UTF-8 and for line ends inside the line."""
    text = line.decode("utf-8", "surrogateescape")
    at = text.find("\r")
    if at < 0 or (at == len(text) - 2 and text[-1] == "\n"):
        return text
    body = text.rstrip("\r\n")
    return body.translate(_KEPT) + text[len(body) :]


def _rows(source: Iterator[bytes], dialect: Dialect) -> Iterator[tuple[int, list[str] | Unreadable]]:
    """Every row that is not blank, with the number of its first line. An `Unreadable` takes the place of a broken row."""
    lines = _Lines(source, dialect)
    rows = csv.reader(lines, **dialect.arguments())
    while True:
        start, lines.n_bytes = lines.number + 1, 0
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            lost = f"lines {start} to {lines.number} are lost" if lines.number > start else "it is lost"
            yield start, Unreadable("is not valid CSV", f" ({error}); {lost}: see to its quotes")
            continue
        if lines.n_bytes >= pieces.VALUE_BYTES:
            long = f" (it ends in line {lines.number} and is over {pieces.VALUE_BYTES:,} bytes long); split it"
            yield start, Unreadable("is too long a row", long)
        elif row:
            yield start, row


class _Lines(Iterator[str]):
    """The lines of a file for `csv.reader`.

    Of a row over `pieces.VALUE_BYTES`, only the characters that decide where it ends are passed on: quotes, delimiters and
    line ends, with one letter in place of everything between them.
    """

    def __init__(self, lines: Iterator[bytes], dialect: Dialect) -> None:
        self._lines, self._quote = lines, dialect.quote.encode()
        signs = "".join(sign for sign in (dialect.delimiter, dialect.quote, "\\" * dialect.escapes) if sign.isascii())
        self._letters = re.compile(f"[^{re.escape(signs)}\r\n]+".encode())
        self._skips = bool(dialect.quote) and not dialect.escapes
        self.number, self.n_bytes = 0, 0
        """How many lines were read so far, and how many bytes of the current row."""

    def __next__(self) -> str:
        is_inside = self.n_bytes > 0  # the row began in an earlier line, so this line begins inside a quoted field
        line = next(self._lines)
        self.number += 1
        self.n_bytes += len(line)
        if self.n_bytes < pieces.VALUE_BYTES:
            return _text(line)
        while self._skips and is_inside and self._quote not in line:
            line, n_ended = self._next(), not is_part(line)
            self.number += n_ended
        signs = [self._letters.sub(b"x", line)]
        while is_part(line):
            line = self._next()
            signs.append(self._letters.sub(b"x", line))
        return _text(b"".join(signs))

    def _next(self) -> bytes:
        line = next(self._lines)
        self.n_bytes += len(line)
        return line
