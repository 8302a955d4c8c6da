"""A Hugging Face dataset, streamed: `hf:roneneldan/TinyStories`, `hf:wikitext:wikitext-2-raw-v1`,
`hf:./my/parquet/folder`.

Rows are fetched as they are needed (by the package `datasets`), so a dataset larger than the disk can be read. A folder
of Parquet files on this machine is read without a network. A dataset on the hub may change; set `revision` to a commit
for a corpus that never does.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from glassformer.corpora import Corpus, Document, Skipped
from glassformer.corpora._formats import pieces
from glassformer.corpora._formats.fields import column, missing
from glassformer.corpora._walk import content, walk
from glassformer.errors import CorpusError
from glassformer.system.extra import needed_for


class Hub(Corpus):
    """One split of a Hugging Face dataset; each row is a document."""

    dataset: str = Field(min_length=1)
    """The name on the hub (`owner/name`), or the path of a folder of Parquet files; it must begin with `.`, `/` or
    `~`."""
    subset: str = ""
    """The configuration, for a dataset that has several."""
    split: str = "train"
    """The split of the dataset to read."""
    text_field: str = "text"
    """The column that holds the text. If there is none of this name, the only one with text is taken."""
    revision: str = "main"
    """The commit, tag or branch on the hub."""

    def documents(self) -> Iterator[Document]:
        """All documents. Their origins name the row, counted from 1: `hf:roneneldan/TinyStories/train:17`."""
        found = False
        for number, text in enumerate(_Rows(self), 1):
            place = f"hf:{self.dataset}/{self.split}:{number}"
            if text is None or not text.strip():
                yield Skipped.because(place, "is empty")
            else:
                found = True
                yield from pieces.documents(text, place)
        if not found:
            raise CorpusError(f"hf:{self.dataset} has no text in its split '{self.split}'; set another corpus.split")

    @property
    def sources(self) -> tuple[str, ...]:
        return (f"hf:{Path(self.dataset).expanduser().resolve().name if self.local else self.dataset}",)

    @property
    def local(self) -> bool:
        """Whether the dataset is a folder on this machine."""
        return self.dataset.startswith((".", "/", "~")) or Path(self.dataset).is_absolute()

    def fingerprint(self) -> str:
        """A hash of the name and the revision or, for a local folder, of the names and bytes of its files."""
        digest = hashlib.sha256(repr(("hub 2", self.subset, self.split, self.text_field)).encode())
        if not self.local:
            digest.update(repr((self.dataset, self.revision)).encode())
            return digest.hexdigest()
        for entry in walk(self.folder()):
            digest.update(os.fsencode(entry.name) + f"\0{entry.problem or content(entry.path)}\n".encode())
        return digest.hexdigest()

    def folder(self) -> Path:
        """The folder of a local dataset. Raises CorpusError if it does not exist."""
        folder = Path(self.dataset).expanduser()
        if not folder.is_dir():
            raise CorpusError(f"there is no folder {folder}; check the path, or write hf:NAME for a dataset on the hub")
        return folder


class _Rows(Iterator[str | None]):
    """The text column, row by row. Every error in `datasets` is raised as a CorpusError."""

    def __init__(self, hub: Hub) -> None:
        with needed_for(f"reading hf:{hub.dataset}", "data"):
            import datasets
        self._hub = hub
        place = str(hub.folder()) if hub.local else hub.dataset
        revision = None if hub.local else hub.revision
        stream: Any = self._said(
            lambda: datasets.load_dataset(place, hub.subset or None, split=hub.split, streaming=True, revision=revision)
        )
        name = self._column(stream.features or self._said(lambda: next(iter(stream), {})))
        self._rows = iter(stream.select_columns([name]))
        self._name = name

    def __next__(self) -> str | None:
        row = self._said(lambda: next(self._rows, None))
        if row is None:
            raise StopIteration
        return row[self._name]

    def _column(self, columns: dict[str, Any]) -> str:
        """The name of the text column, by the types of the columns or by the values of the first row."""
        texts = [name for name, kind in columns.items() if isinstance(kind, str) or _is_text(kind)]
        name = column(texts, texts, self._hub.text_field)
        if name is None:
            raise CorpusError(f"hf:{self._hub.dataset} has no column{missing(self._hub.text_field, columns)}")
        return name

    def _said(self, call: Any) -> Any:
        """What `call` returns. `datasets` raises errors of many packages; each becomes a CorpusError of one
        sentence."""
        try:
            return call()
        except Exception as error:
            first = str(error).strip().partition("\n")[0][:300] or type(error).__name__
            where = f"hf:{self._hub.dataset} (subset '{self._hub.subset}', split '{self._hub.split}')"
            remedy = "check the name, the subset and the split, and for a dataset on the hub the network"
            raise CorpusError(f"{where} cannot be read ({first}); {remedy}") from error


def _is_text(kind: Any) -> bool:
    return getattr(kind, "dtype", "") in ("string", "large_string", "string_view")
