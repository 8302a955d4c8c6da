"""A JSON file (json): an array of strings or objects, each a document; or values one after another, so also one alone.

The array is never held whole: values are decoded one by one from a window of the text that grows to the next value's
end. A value that is too long to hold, or that Python's parser does not take, costs only itself. What comes after a value
that is not JSON cannot be told apart, so it is given up, and said.
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
"""Bytes by which the window grows at least."""
_SPACE = re.compile(r"[ \t\r\n]*")
_UNDECODED = re.compile("[\udc80-\udcff]")
_LITERAL = 16  # no token but a string is longer; a cut one may look wrong this far from the end
_MARK = re.compile(r'["\[{\]}]')
_IN_STRING = re.compile(r'"|\\(.|\Z)', re.DOTALL)
_AFTER_SCALAR = re.compile(r"[,\]}\s]")


def read(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Document]:
    """Documents with the line where each begins as origin: `books.json:12`."""
    source = utf8(file, knobs.encoding)
    yield from fields.documents(_values(_Window(source.file), origin, source), knobs.text_field, source)


def _values(window: "_Window", origin: str, source: Utf8) -> Iterator[fields.Value]:
    """The values of a file; a `Skipped` in the place of one, and as the last one where the file is broken."""
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
        """The next character that is not space; nothing at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match
            self._go(match.end())
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._grow()

    def skip(self) -> None:
        """Over the character that `peek` gave."""
        self._at += 1

    def value(self) -> tuple[Any, str]:
        """The next value and the text it was decoded from. Raises Unreadable for what is not JSON, and _Untaken."""
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
        """Over the next value, which is never held whole. Raises Unreadable when the file ends inside of it."""
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
