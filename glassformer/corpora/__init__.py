"""Corpora: where text comes from. Every source goes through one door, `corpus(source)`, and yields documents.

Slot `Corpus`; variants are the files beside this one: `village` (a simulated world that tells endless stories),
`python` (the standard library of the running interpreter), `files` (a file or folder of the user's own).
"""

import abc
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from glassformer.config import Variant, suggestion, variants
from glassformer.errors import CorpusError


class Document(NamedTuple):
    """One text and where it came from."""

    text: str
    origin: str
    """A place a person can open: `notes/a.txt`, `talk.jsonl:12`, `village/17`."""
    split: str = ""
    """`train` or `validation` when the source knows, empty when `data` is to decide."""
    source: int = 0
    """Which component of a mixture it is from: an index into the corpus's `sources`."""


class Skipped(Document):
    """Stands in the stream for something that could not be read: no text, an origin, and why.

    Read aloud: `{origin} {reason}{detail}`. Reports count by `reason`; `detail` is the exact place and the remedy.
    """

    reason: str
    detail: str

    @classmethod
    def because(cls, origin: str, reason: str, detail: str = "", source: int = 0) -> "Skipped":
        skipped = cls("", origin, source=source)
        skipped.reason, skipped.detail = reason, detail
        return skipped

    def __str__(self) -> str:
        return f"{self.origin} {self.reason}{self.detail}"


class Corpus(Variant):
    """A source of documents."""

    @abc.abstractmethod
    def documents(self) -> Iterator[Document]:
        """All documents, in an order that never changes. Streams; raises CorpusError."""

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """A hash that changes when the documents would: paths, sizes and times, or seed and version. Reads no text."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the components, one for each value of `Document.source`: a plain corpus has one, itself."""
        return (Path(self.name).stem,)

    @property
    def weights(self) -> tuple[float, ...]:
        """The share of each component in what a model is to see, summing to 1. `documents` gives all of each."""
        return (1.0,)


def corpus(source: str) -> Corpus:
    """The corpus that `source` names: a variant (`village`, `python`), or else a path to the user's files.

    Raises CorpusError when it is neither.
    """
    if source in variants(Corpus) and source != "files":
        return Corpus.named(source)
    if Path(source).expanduser().exists():
        return Corpus.named("files", path=source)
    known = [name for name in variants(Corpus) if name != "files"]
    raise CorpusError(f"there is no file, folder or corpus called '{source}'; {suggestion(source, known)}")
