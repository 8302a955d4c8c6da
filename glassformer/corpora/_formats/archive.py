"""Archives (zip): each file inside is read as if it lay in a folder, in the order of names. Nothing is written to disk.

An archive lists its files and their sizes. If these are the sizes of a zip bomb, the archive is refused before anything
is unpacked; so are archives whose files overlap, and those whose list alone would fill the memory. No more is read than
listed.
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from glassformer.corpora import Skipped
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.limits import refuse_bomb
from glassformer.corpora._formats.stream import Member, Unreadable, stream
from glassformer.corpora._walk import printable

LARGEST_LIST = 32 << 20
"""How many bytes of an archive's list of files are read into memory, at most: some 300,000 names."""
ENCRYPTED = 1


def members(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Member | Skipped]:
    """The files of `a.zip`, with origins such as `a.zip/b.txt`. Raises Unreadable."""
    _refuse_long_list(file)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, OSError) as error:
        raise Unreadable("is not a whole zip archive", f" ({error}); download or pack it again") from None
    found = sorted((info for info in archive.infolist() if not info.is_dir()), key=lambda info: info.filename)
    size = os.fstat(file.fileno()).st_size
    refuse_bomb(sum(info.file_size for info in found), size, knobs)
    for info in found:
        place = f"{origin}/{printable(info.filename)}"
        if any(part.startswith(".") or part == "__MACOSX" for part in info.filename.split("/")):
            yield Skipped.because(place, "is hidden")
        elif info.flag_bits & ENCRYPTED:
            yield Skipped.because(place, "is encrypted", "; unpack the archive into a folder")
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            yield Skipped.because(place, "is compressed by an unusual method", "; unpack the archive into a folder")
        else:
            yield Member(stream(_contents(archive, info, knobs)), info.filename, place)


def _contents(archive: zipfile.ZipFile, info: zipfile.ZipInfo, knobs: Knobs) -> Iterator[bytes]:
    refuse_bomb(info.file_size, info.compress_size, knobs)
    n_bytes = 0
    try:
        with archive.open(info) as file:
            while chunk := file.read(1 << 16):
                n_bytes += len(chunk)
                yield chunk
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, struct.error) as error:
        raise Unreadable("is damaged", f" ({error}); download or pack it again") from None
    if n_bytes != info.file_size:
        raise Unreadable("is cut short", "; download or pack it again")


def _refuse_long_list(file: BinaryIO) -> None:
    """Raises Unreadable if the list of files is too long, by the size given at the end of the archive."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - (1 << 16) - 22 - 20 - 56))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise Unreadable("is not a whole zip archive", " (it has no list of files); download or pack it again")
    (size,) = struct.unpack_from("<I", tail, at + 12)
    at64 = tail.rfind(b"PK\6\6", 0, at)
    if size == 0xFFFFFFFF and 0 <= at64 <= len(tail) - 56:
        (size,) = struct.unpack_from("<Q", tail, at64 + 40)
    if size > LARGEST_LIST:
        raise Unreadable("lists too many files", f" ({size:,} bytes of names); unpack the archive into a folder")
