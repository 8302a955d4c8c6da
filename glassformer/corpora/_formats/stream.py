"""Chunks of bytes as a file: what decompression and decoding produce, readers read, a little at a time."""

import io
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple


class Unreadable(Exception):
    """Why (the rest of) a file cannot be read; the door turns it into a `Skipped`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason + detail)
        self.reason, self.detail = reason, detail


class Member(NamedTuple):
    """What unpacking yields: a file inside a file."""

    file: BinaryIO
    name: str
    """Its suffix says its format: `talk.jsonl` for what `talk.jsonl.gz` holds."""
    origin: str


def begun(items: Iterator[Any], least: int, size: Callable[[Any], int] = len) -> tuple[list[Any], Iterator[Any]]:
    """The first items, whose sizes add up to `least` or more, and an iterator over the others.

    A file may break among the first items. They are kept then, and the error is raised in the place of the others.
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
    """A readable binary file of the chunks, joined. What the iterator raises, reading raises after all that came before."""
    return _Stream(_Chunks(chunks), 1 << 17)


class _Stream(io.BufferedReader):
    def read(self, size: int | None = -1) -> bytes:
        """The next bytes: fewer than `size` where the file ends or breaks, and then its error."""
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
