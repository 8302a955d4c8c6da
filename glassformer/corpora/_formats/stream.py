"""Chunks of bytes as a file, which is how readers get what decompression and decoding produce."""

import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple


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


def stream(chunks: Iterator[bytes]) -> io.BufferedReader:
    """A readable binary file of the chunks, joined. What the iterator raises, reading raises."""
    return io.BufferedReader(_Chunks(chunks), 1 << 17)


class _Chunks(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        n = min(len(buffer), len(self._left))
        buffer[:n] = self._left[:n]
        self._left = self._left[n:]
        return n
