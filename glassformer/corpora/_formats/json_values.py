"""JSON files (json): an array of strings or objects, each of which is a document; or such values one after another.

The array is never in memory as a whole: values are decoded one by one from a window of the text, which grows until it
holds the next value. A value that is too long, or that Python's parser does not accept, is skipped. After a value that
is not valid JSON the next one cannot be found, so the rest of the file is skipped and reported.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from glassformer.corpora import Document, Skipped
from glassformer.corpora._formats import fields, pieces
from glassformer.corpora._formats.encoding import Utf8, utf8
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.stream import Unreadable

STEP = 1 << 18
"""The window grows by at least this many bytes."""
_SPACE = re.compile(r"[ \t\r\n]*")
_UNDECODED = re.compile("[\udc80-\udcff]")
_LITERAL = 16  # no token but a string is longer; a cut one may look wrong this far from the end
_MARK = re.compile(r'["\[{\]}]')
_IN_STRING = re.compile(r'"|\\(.|\Z)', re.DOTALL)
_AFTER_SCALAR = re.compile(r"[,\]}\s]")


def read(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Document]:
    """One document or `Skipped` for each value. Origins name the line where it begins: `books.json:12`."""
    source = utf8(file, knobs.encoding)
    yield from fields.documents(_values(_Window(source.file), origin, source), knobs.text_field, source)


def _values(window: "_Window", origin: str, source: Utf8) -> Iterator[fields.Value]:
    """The values of a file. A `Skipped` takes the place of a value that cannot be read; at a broken place it is the
    last."""
    in_array, number = window.peek() == "[", 0
    if in_array:
        window.skip()
    try:
        while (character := window.peek()) and not (in_array and character == "]"):
            number += 1
            yield _next_value(window, f"{origin}:{window.line}", source)
            if in_array and window.peek() == ",":
                window.skip()
            elif in_array and window.peek() not in "]":
                raise Unreadable("is not valid JSON", " (expecting ',' or ']')")
        if in_array and not window.peek():
            raise Unreadable("is cut short", " (its array has no end)")
        if in_array:
            window.skip()
            if window.peek():
                raise Unreadable("is not valid JSON", " (there is more after the array)")
    except Unreadable as error:
        place = f"{origin}:{window.line}"
        lost = f" at value {number}; nothing from there on was read: repair the file"
        yield place, Skipped.because(place, error.reason, error.detail + lost), 0


def _next_value(window: "_Window", place: str, source: Utf8) -> fields.Value:
    """The next value, or a `Skipped` for one that cannot be held or decoded. Raises Unreadable if it has no end."""
    try:
        value, raw = window.value()
    except _Untaken as error:
        window.skip_value()
        return place, Skipped.because(place, error.reason, error.detail), 0
    if not raw.isascii() and _UNDECODED.search(raw):
        return place, Skipped.because(place, *source.invalid), 0
    return place, value, len(raw)


class _Untaken(Exception):
    """Why a value is skipped although it may be valid JSON."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason + detail)
        self.reason, self.detail = reason, detail


class _Window:
    """A part of the text, from the next value on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._decoder = file, codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text, self._at, self._ended = "", 0, False
        self.line = 1

    def peek(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match
            self._go(match.end())
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._grow()

    def skip(self) -> None:
        """Move past the character that `peek` returned."""
        self._at += 1

    def value(self) -> tuple[Any, str]:
        """(the next value, the text that it was decoded from). Raises Unreadable if it is not JSON, and _Untaken."""
        while True:
            try:
                value, end = json.JSONDecoder().raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                certain = error.pos < len(self._text) - _LITERAL and not error.msg.startswith("Unterminated")
                if certain or self._ended:
                    self._go(error.pos)
                    raise Unreadable("is not valid JSON", f" ({error.msg})") from None
            except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
                reason = str(error).partition(";")[0]
                raise _Untaken("holds a value that cannot be decoded", f" ({reason}); it is left out") from None
            else:
                if end < len(self._text) or self._ended:
                    raw = self._text[self._at : end]
                    self._go(end)
                    return value, raw
            if len(self._text) - self._at > pieces.VALUE_BYTES:
                raise _Untaken("holds too long a value", f" (over {pieces.VALUE_BYTES:,} characters); split it")
            self._grow()

    def skip_value(self) -> None:
        """Move past the next value without holding all of it in memory. Raises Unreadable if the file ends within
        it."""
        depth, in_string = 0, False
        is_scalar = self.peek() not in '"[{'
        while True:
            mark = (_AFTER_SCALAR if is_scalar else _IN_STRING if in_string else _MARK).search(self._text, self._at)
            if mark and not (mark[0] == "\\" and not self._ended):
                self._go(mark.start() if is_scalar else mark.end())
                in_string ^= mark[0] == '"'
                depth += 0 if in_string else (mark[0] in "[{") - (mark[0] in "]}")
                if is_scalar or (not in_string and depth == 0):
                    return
                continue
            self._go(mark.start() if mark else len(self._text))
            if self._ended and not is_scalar:
                raise Unreadable("is cut short", " (inside a value)")
            if self._ended:
                return
            self._grow()

    def _go(self, end: int) -> None:
        self.line += self._text.count("\n", self._at, end)
        self._at = end

    def _grow(self) -> None:
        self._text, self._at = self._text[self._at :], 0
        data = self._file.read(max(STEP, len(self._text)))
        self._text += self._decoder.decode(data, final=not data)
        self._ended = not data
