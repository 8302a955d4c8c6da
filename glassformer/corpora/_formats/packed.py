"""Compressed files (gz, zst): the file inside, decompressed as it is read, within limits.

What zst declares is checked before the first byte is unpacked; what comes out is counted all the while, since a
declaration may lie; and input goes in a little at a time, so that even each method's worst ratio fills little memory.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import zstandard

from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.limits import refuse_bomb
from glassformer.corpora._formats.stream import Member, Unreadable, stream


def gz(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Member]:
    """`talk.jsonl` of `talk.jsonl.gz`."""
    chunks = _unpack(file, knobs, lambda: zlib.decompressobj(31), 1 << 12)  # at most 1,032 times as much
    yield Member(stream(_joined(chunks)), origin[: -len(".gz")], origin)


def zst(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Member]:
    """`talk.jsonl` of `talk.jsonl.zst`."""
    chunks = _unpack(file, knobs, lambda: zstandard.ZstdDecompressor().decompressobj(), 1 << 8)  # 128 kB from 4 bytes
    yield Member(stream(_joined(chunks)), origin[: -len(".zst")], origin)


def _joined(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks of 64 kB or more; what goes wrong comes after what went well."""
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
    """The contents in chunks; `start` makes a decompressor of one frame. Raises Unreadable."""
    unpacker, taken, made = start(), 0, 0
    while block := file.read(1 << 16):
        if not taken:
            refuse_bomb(_declared(block), 1 << 62, knobs)
        for i in range(0, len(block), step):
            data = block[i : i + step]
            taken += len(data)
            while data:
                if unpacker.eof:  # another frame, unless it is zeros that fill up a tape or a disk
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                    unpacker = start()
                try:
                    chunk = unpacker.decompress(data)
                except (zlib.error, zstandard.ZstdError) as error:
                    raise Unreadable("is damaged", f" ({error}); fetch or pack it again") from None
                made += len(chunk)
                refuse_bomb(made, taken, knobs)
                if chunk:
                    yield chunk
                data = unpacker.unused_data if unpacker.eof else b""
    if taken and not unpacker.eof:
        raise Unreadable("is cut short", "; fetch or pack it again")


def _declared(head: bytes) -> int:
    """The size that a zst frame says it holds, 0 if it does not say."""
    try:
        size = zstandard.get_frame_parameters(head).content_size
    except zstandard.ZstdError:
        return 0
    return 0 if size >= zstandard.CONTENTSIZE_ERROR else size
