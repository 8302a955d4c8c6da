"""A file of the user's, or a folder of files: text, web pages, JSON, tables, Parquet, compressed or not (see
`_formats`).

Nothing is lost without a report: a `Skipped` takes the place of what could not be read and says where, so that counts
add up. With `bad=refuse` reading stops at the first fault instead. A source without a single document is always
refused. A folder is read with all folders below it, in the order of names, each folder once. A text of up to 8 MB (a
book, tinyshakespeare) is one document, and a longer one is cut at blank lines so that memory stays small. In formats
with records each record is one document.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from glassformer.corpora import Corpus, Document, Skipped
from glassformer.corpora._formats import read
from glassformer.corpora._formats.encoding import text_codec
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._walk import AGAIN, HIDDEN, Entry, content, printable, walk
from glassformer.errors import CorpusError

HARMLESS = {HIDDEN, AGAIN, "is empty"}
"""Reasons at which `bad=refuse` does not stop, since no text is lost."""
PACKED = {".gz", ".zst", ".zip", ".parquet"}


class Files(Corpus):
    """Your own texts: a file or a folder."""

    path: str
    """A file, or a folder, which is read with all folders below it (names that begin with a dot are skipped)."""
    text_field: str = "text"
    """The field or column that holds the text; in a table its number will do, from 1. If there is none of this name, the
    only one with text is taken."""
    encoding: str = "auto"
    """The encoding of the text: utf-8, latin-1, utf-16, shift_jis ... With auto it is detected."""
    bad: Literal["skip", "refuse"] = "skip"
    """What to do with text that cannot be read: skip it and report that, or stop with an error."""
    unpacked_gigabytes: float = Field(default=100.0, gt=0)
    """How many gigabytes one compressed file may unpack to, at most."""

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        if encoding != "auto" and not text_codec(encoding):
            raise ValueError(
                f"there is no encoding '{encoding}'; use auto, or a name such as utf-8, latin-1, cp1252 or utf-16"
            )
        return encoding

    def documents(self) -> Iterator[Document]:
        """All documents. Their origins are relative to the folder: `notes/a.txt`, `big.txt:90210`,
        `a.zip/talk.jsonl:12`."""
        root = Path(self.path).expanduser()
        folder, found, first = root if root.is_dir() else root.parent, False, ""
        for entry in _entries(root):
            for document in self._file(entry):
                if isinstance(document, Skipped):
                    first = first or str(folder / str(document))
                    if self.bad == "refuse" and document.reason not in HARMLESS:
                        raise CorpusError(f"{folder / str(document)} (or set corpus.bad=skip to leave it out)")
                else:
                    found = True
                yield document
        if not found:
            raise CorpusError(_nothing(root, first))

    @property
    def sources(self) -> tuple[str, ...]:
        return (f"files:{Path(self.path).expanduser().resolve().name}",)

    def fingerprint(self) -> str:
        """A hash of the settings and of the name and the bytes of every file that is read, whatever its times are and
        wherever the folder stands. Of a single file's name only the ending counts, which says how it is read.
        """
        root = Path(self.path).expanduser()
        knobs = f"files 4 {self.text_field} {self.encoding} {self.bad} {self.unpacked_gigabytes}"
        digest = hashlib.sha256(knobs.encode("utf-8", "surrogatepass"))
        for entry in _entries(root):
            name = entry.name if root.is_dir() else "".join(root.suffixes[-2:])
            digest.update(os.fsencode(name) + f"\0{entry.problem or content(entry.path)}\n".encode())
        return digest.hexdigest()

    def size(self) -> int | None:
        """The bytes of all files; None if one is compressed, since it holds more text than its size says."""
        n_bytes = 0
        for entry in _entries(Path(self.path).expanduser()):
            if entry.path.suffix.lower() in PACKED:
                return None
            with contextlib.suppress(OSError):
                n_bytes += 0 if entry.problem else os.stat(entry.path).st_size
        return n_bytes

    def _file(self, entry: Entry) -> Iterator[Document]:
        """The documents of one entry of a folder: at least one document or `Skipped`."""
        origin = printable(entry.name)
        if entry.problem:
            yield Skipped.because(origin, entry.problem)
            return
        knobs = Knobs(self.text_field, self.encoding, int(self.unpacked_gigabytes * 1e9))
        try:
            if stat.S_ISREG(os.stat(entry.path).st_mode):
                with open(entry.path, "rb") as file:
                    yield from read(file, origin, knobs)
            else:
                yield Skipped.because(origin, "is not a regular file", "; give a file or a folder")
        except OSError as error:
            yield Skipped.because(origin, "cannot be read", f" ({error.strerror or error}); check its permissions")


def _entries(root: Path) -> Iterator[Entry]:
    """Every entry at a path. Raises CorpusError if the path does not exist."""
    if not os.path.lexists(root):
        raise CorpusError(f"there is no file or folder {root}; check the path")
    return walk(root) if root.is_dir() else iter([Entry(root.name, root, "")])


def _nothing(root: Path, first: str) -> str:
    """The error message for a source without a single document. `first` is the sentence of the first `Skipped`."""
    if root.is_dir():
        example = f" (for example, {first})" if first else ""
        remedy = "put .txt, .md, .html, .py, .json, .jsonl, .csv or .parquet files there"
        return f"{root} holds no text that can be read{example}; {remedy}"
    return first if ";" in first else f"{first}; give a file with some text in it"
