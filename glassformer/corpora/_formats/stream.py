"""Chunks of bytes as a file: what decompression and decoding produce, readers read, a little at a time."""

import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple


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
