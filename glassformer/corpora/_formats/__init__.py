"""The file formats of texts: one reader per file here, chosen by the suffix of a file's name.

`encoding` turns bytes of any encoding into UTF-8; `text`, `html`, `json_lines`, `json_values`, `table` and `parquet`
read documents from a file; `packed` and `archive` open compressed files and archives. A reader does not stop at what it
cannot read: a `Skipped` takes its place and says where it is, so documents and `Skipped` add up to everything there
was. All readers hold only a little of a file in memory.
"""

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from glassformer.corpora import Document, Skipped
from glassformer.corpora._formats import archive, html, json_lines, json_values, packed, parquet, table, text
from glassformer.corpora._formats.knobs import Knobs, Reader
from glassformer.corpora._formats.stream import Member, Unreadable

READERS: dict[str, Reader] = {
    ".jsonl": json_lines.read, ".ndjson": json_lines.read, ".json": json_values.read,
    ".csv": table.read, ".tsv": table.read, ".parquet": parquet.read,
    ".html": html.read, ".htm": html.read, ".xhtml": html.read,
}  # fmt: skip
"""By suffix, in lower case; every other file is read as plain text."""
UNPACKERS: dict[str, Callable[[BinaryIO, str, Knobs], Iterator[Member | Skipped]]] = {
    ".gz": packed.gz, ".zst": packed.zst, ".zip": archive.members,
}  # fmt: skip


def read(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Document]:
    """The documents of an open file: at least one document or `Skipped`. The origin ends in the name of the file."""
    unpack = UNPACKERS.get(_suffix(origin))
    if unpack is None:
        yield from _documents(Member(file, origin, origin), knobs)
        return
    found = False
    try:
        for member in unpack(file, origin, knobs):
            found = True
            if isinstance(member, Skipped):
                yield member
            elif _suffix(member.name) in UNPACKERS:
                yield Skipped.because(member.origin, "is packed twice", "; unpack it once")
            else:
                yield from _documents(member, knobs)
    except (Unreadable, OSError) as error:
        found = True
        yield _skipped(origin, error)
    if not found:
        yield Skipped.because(origin, "is empty")


def _documents(member: Member, knobs: Knobs) -> Iterator[Document]:
    n_found = 0
    try:
        for document in READERS.get(_suffix(member.name), text.read)(member.file, member.origin, knobs):
            n_found += 1
            yield document
    except (Unreadable, OSError) as error:
        yield _skipped(member.origin, error, n_found)
        return
    if not n_found:
        yield Skipped.because(member.origin, "is empty")


def _skipped(origin: str, error: Unreadable | OSError, n_found: int = 0) -> Skipped:
    before = f", after {n_found:,} documents" if n_found else ""
    if isinstance(error, Unreadable):
        return Skipped.because(origin, error.reason, before + error.detail)
    return Skipped.because(origin, "cannot be read", f"{before} ({error.strerror or error})")


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
