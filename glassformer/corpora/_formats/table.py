"""Tables of text (csv, tsv): a document in each row's text column.

How the table is written (`dialect`), whether it has a header and which column holds the text (`columns`) is decided once,
by its first rows, and what is unusual is told in the note of each document. A quote that is never closed would swallow
the rest of the file in silence, so quoting is strict, and a row whose width is not the header's is reported, not guessed
at. A row that is too long to hold is read over, quote by quote, so that reading goes on where the next row begins.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import BinaryIO, NamedTuple

from glassformer.corpora import Document, Skipped
from glassformer.corpora._formats import pieces
from glassformer.corpora._formats.columns import Columns, columns
from glassformer.corpora._formats.dialect import Dialect, dialect
from glassformer.corpora._formats.encoding import Utf8, utf8
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.lines import is_part, lines
from glassformer.corpora._formats.stream import Unreadable, begun

SAMPLE = 1 << 16
"""Bytes at the start that decide how a table is written; more where they hold no row below the header."""
_TABS = re.compile(r"\.tsv(\.\w+)?$", re.IGNORECASE)
_HINT = re.compile(r"\"?sep=(.)\"?[\r\n]*", re.IGNORECASE)  # the first line of some of Excel's files, as `sep=;`
_LONGEST_FIELD = 2**31 - 1  # for the csv module, since `_Lines` bounds whole rows
_UNDECODED = re.compile("[\udc80-\udcff]")
_KEPT = str.maketrans("\r\n", "\udc0d\udc0a")
_GIVEN_BACK = str.maketrans("\udc0d\udc0a", "\r\n")


class _Table(NamedTuple):
    """A table of which the first rows have been read."""

    form: Dialect
    columns: Columns
    lines: Iterator[bytes]
    """All of them but a hint of Excel's."""
    n_hints: int


def read(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Document]:
    """One document or `Skipped` for each row, in pieces where it is long. Origins name its first line: `file.csv:12`.

    Raises Unreadable where no column can be told to hold the text.
    """
    source, usual = utf8(file, knobs.encoding), "\t" if _TABS.search(origin) else ","
    csv.field_size_limit(_LONGEST_FIELD)
    table = _begun(lines(source.file, is_table=True), usual, knobs.text_field)
    if table is None:
        return
    columns, awaits_header = table.columns, table.columns.has_header
    note = source.told(*table.form.told(usual, columns.width), *columns.told)
    for number, row in _rows(table.lines, table.form):
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


def _begun(all_lines: Iterator[bytes], usual: str, text_field: str) -> _Table | None:
    """The table of these lines; None if they are blank. Its first rows are read until there is one below the header."""
    first, rest = begun(all_lines, SAMPLE)
    hint = _HINT.fullmatch(_text(first[0])) if first else None
    first, size = first[hint is not None :], SAMPLE
    while True:
        n_bytes = sum(map(len, first))
        sample = "".join(_text(line) for before, line in pairwise([b"", *first]) if not is_part(before) | is_part(line))
        form = dialect(sample, n_bytes < size, usual, text_field, hint[1] if hint else "")
        rows = [row for _, row in _rows(iter(first), form) if isinstance(row, list)]
        if len(rows) > 1 or n_bytes < size or size > pieces.VALUE_BYTES:
            break
        size *= 8
        more, rest = begun(rest, size - n_bytes)
        first += more
    if rows:
        return _Table(form, columns(rows, text_field), chain(first, rest), int(hint is not None))
    next(rest, None)  # raises what broke the file so early
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
    """A line for `csv.reader`: bytes that are not UTF-8, and line ends within it, become lone surrogates."""
    text = line.decode("utf-8", "surrogateescape")
    at = text.find("\r")
    if at < 0 or (at == len(text) - 2 and text[-1] == "\n"):
        return text
    body = text.rstrip("\r\n")
    return body.translate(_KEPT) + text[len(body) :]


def _rows(source: Iterator[bytes], form: Dialect) -> Iterator[tuple[int, list[str] | Unreadable]]:
    """Every row that is not blank, with the number of its first line; an `Unreadable` in the place of a broken one."""
    lines = _Lines(source, form)
    rows = csv.reader(lines, **form.reader())
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

    Of a row over `pieces.VALUE_BYTES` only what tells where it ends is passed on: quotes, delimiters and line ends, with
    one letter for all that stands between two of them.
    """

    def __init__(self, lines: Iterator[bytes], form: Dialect) -> None:
        self._lines, self._quote = lines, form.quote.encode()
        signs = "".join(sign for sign in (form.delimiter, form.quote, "\\" * form.escapes) if sign.isascii())
        self._letters = re.compile(f"[^{re.escape(signs)}\r\n]+".encode())
        self._skips = bool(form.quote) and not form.escapes
        self.number, self.n_bytes = 0, 0
        """Lines read so far; bytes of the row that is being read."""

    def __next__(self) -> str:
        is_inside = self.n_bytes > 0  # a quoted field began in an earlier line, and this one goes on with it
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
