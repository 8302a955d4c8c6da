"""Compressed files (gz, zst): the file inside is decompressed while it is read, within limits.

The size that a zst file announces is checked before the first byte is unpacked. Since it may be wrong, the bytes that
come out are counted too. Input is fed in small steps, so that even the worst ratio of each method fills little memory.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import zstandard

from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.limits import refuse_bomb
from glassformer.corpora._formats.stream import Member, Unreadable, stream


def gz(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Member]:
    """The file inside: `talk.jsonl` of `talk.jsonl.gz`. Reading it raises Unreadable."""
    chunks = _unpack(file, knobs, lambda: zlib.decompressobj(31), 1 << 12)  # gz unpacks to at most 1,032 times its size
    yield Member(stream(_joined(chunks)), origin[: -len(".gz")], origin)


def zst(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Member]:
    """The file inside: `talk.jsonl` of `talk.jsonl.zst`. Reading it raises Unreadable."""
    chunks = _unpack(
        file, knobs, lambda: zstandard.ZstdDecompressor().decompressobj(), 1 << 8
    )  # 4 bytes can make 128 kB
    yield Member(stream(_joined(chunks)), origin[: -len(".zst")], origin)


def _joined(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks of 64 kB or more. An error is raised after all bytes that came before it."""
    parts, size = [], 0
    try:
        for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size >= 1 << 16:
                yield b"".join(parts)
                parts, size = [], 0
    except Unreadable as error:
        yield b"".join(parts)
        raise error from None
    yield b"".join(parts)


def _unpack(file: BinaryIO, knobs: Knobs, start: Callable[[], Any], step: int) -> Iterator[bytes]:
    """The unpacked bytes in chunks. `start` makes a decompressor for one frame of the file. Raises Unreadable."""
    unpacker, taken, made = start(), 0, 0
    while block := file.read(1 << 16):
        if not taken:
            refuse_bomb(_declared(block), 1 << 62, knobs)
        for i in range(0, len(block), step):
            data = block[i : i + step]
            taken += len(data)
            while data:
                if unpacker.eof:  # another frame follows, or zeros that fill up a tape or disk block
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                    unpacker = start()
                try:
                    chunk = unpacker.decompress(data)
                except (zlib.error, zstandard.ZstdError) as error:
                    raise Unreadable("is damaged", f" ({error}); download or pack it again") from None
                made += len(chunk)
                refuse_bomb(made, taken, knobs)
                if chunk:
                    yield chunk
                data = unpacker.unused_data if unpacker.eof else b""
    if taken and not unpacker.eof:
        raise Unreadable("is cut short", "; download or pack it again")


def _declared(head: bytes) -> int:
    """The unpacked size that a zst frame announces; 0 if it announces none."""
    try:
        size = zstandard.get_frame_parameters(head).content_size
    except zstandard.ZstdError:
        return 0
    return 0 if size >= zstandard.CONTENTSIZE_ERROR else size
