"""Chunks of bytes as a file, which is how readers get what decompression and decoding produce."""

import io
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple


class Unreadable(Exception):
    """Says why a file, or the rest of it, cannot be read. `_formats.read` turns it into a `Skipped`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason + detail)
        self.reason, self.detail = reason, detail


class Member(NamedTuple):
    """A file inside a compressed file or an archive."""

    file: BinaryIO
    name: str
    """Its name, whose suffix says its format: `talk.jsonl` for the content of `talk.jsonl.gz`."""
    origin: str


def first_items(items: Iterator[Any], least: int, size: Callable[[Any], int] = len) -> tuple[list[Any], Iterator[Any]]:
    """The first items, whose sizes add up to `least` or more, and an iterator over the other items.

    If the file breaks before that, the first items are what came so far, and the iterator raises the error.
    """
    first, total = [], 0
    try:
        while total < least:
            item = next(items)
            first.append(item)
            total += size(item)
    except StopIteration:
        return first, iter(())
    except (Unreadable, OSError) as error:
        return first, _raising(error)
    return first, items


def _raising(error: Exception) -> Iterator[Any]:
    raise error
    yield


def stream(chunks: Iterator[bytes]) -> io.BufferedReader:
    """A readable binary file of the chunks, joined. An error of the iterator is raised after all bytes before it."""
    return _Stream(_Chunks(chunks), 1 << 17)


class _Stream(io.BufferedReader):
    def read(self, size: int | None = -1) -> bytes:
        """The next bytes, fewer than `size` before the end of the file or an error, which the next call raises."""
        parts, left = [], sys.maxsize if size is None or size < 0 else size
        try:
            while left and (part := self.read1(min(left, 1 << 20))):
                parts.append(part)
                left -= len(part)
        except (Unreadable, OSError):
            if not parts:
                raise
        return b"".join(parts)


class _Chunks(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, memoryview(b"")
        self._error: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._left:
            if self._error:
                raise self._error
            try:
                chunk = next(self._chunks, None)
            except (Unreadable, OSError) as error:
                self._error = error
                raise
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        n = min(len(buffer), len(self._left))
        buffer[:n] = self._left[:n]
        self._left = self._left[n:]
        return n
