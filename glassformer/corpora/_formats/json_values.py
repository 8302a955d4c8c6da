"""A JSON file (json): an array of strings or objects, each a document; or values one after another, so also one alone.

The array is never held whole: values are decoded one by one from a window of the text that grows to the next value's
end. What comes after a broken value cannot be told apart, so it is given up, and said.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from glassformer.corpora import Document, Skipped
from glassformer.corpora._formats import pieces
from glassformer.corpora._formats.encoding import utf8
from glassformer.corpora._formats.fields import no_text, text_of
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.stream import Unreadable

_SPACE = re.compile(r"[ \t\r\n]*")
_UNDECODED = re.compile("[\udc80-\udcff]")
_LITERAL = 16  # no token but a string is longer; a cut one may look wrong this far from the end


def read(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Document]:
    """Documents with the line where each begins as origin: `books.json:12`."""
    source = utf8(file, knobs.encoding)
    for place, value, raw in _values(_Window(source.file), origin):
        if isinstance(value, Unreadable):
            yield Skipped.because(place, value.reason, value.detail)
        elif not raw.isascii() and _UNDECODED.search(raw):
            yield Skipped.because(place, *source.invalid)
        elif (text := text_of(value, knobs.text_field)) is None:
            yield no_text(value, knobs.text_field, place)
        else:
            yield Document(text, place, note=source.note) if text.strip() else Skipped.because(place, "is empty")


def _values(window: "_Window", origin: str) -> Iterator[tuple[str, Any, str]]:
    """(origin, value, its source text); an `Unreadable` as the last value where the file is broken."""
    in_array, number = window.peek() == "[", 0
    if in_array:
        window.skip()
    try:
        while (character := window.peek()) and not (in_array and character == "]"):
            number += 1
            place = f"{origin}:{window.line}"
            yield place, *window.value()
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
        lost = f" at value {number}; nothing from there on was read: repair the file"
        yield f"{origin}:{window.line}", Unreadable(error.reason, error.detail + lost), ""


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
        """The next value and the text it was decoded from. Raises Unreadable."""
        while True:
            try:
                value, end = json.JSONDecoder().raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                certain = error.pos < len(self._text) - _LITERAL and not error.msg.startswith("Unterminated")
                if certain or self._ended:
                    self._go(error.pos)
                    raise Unreadable("is not valid JSON", f" ({error.msg})") from None
            except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
                raise Unreadable("is not valid JSON", f" ({str(error).partition(';')[0]})") from None
            else:
                if end < len(self._text) or self._ended:
                    raw = self._text[self._at : end]
                    self._go(end)
                    return value, raw
            if len(self._text) - self._at > pieces.PIECE_BYTES:
                raise Unreadable("holds too long a value", f" (over {pieces.PIECE_BYTES:,} characters)")
            self._grow()

    def _go(self, end: int) -> None:
        self.line += self._text.count("\n", self._at, end)
        self._at = end

    def _grow(self) -> None:
        self._text, self._at = self._text[self._at :], 0
        data = self._file.read(max(1 << 18, len(self._text)))
        self._text += self._decoder.decode(data, final=not data)
        self._ended = not data
