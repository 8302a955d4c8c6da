"""Corpora: where text comes from. `corpus(source)` turns what the user wrote into a `Corpus`, which yields documents.

The slot is `Corpus`; the variants are the files beside this one: `village` (a simulated world that tells endless
stories), `python` (the standard library of the running interpreter), `files` (a file or folder of the user's), `hub` (a
Hugging Face dataset) and `mixture` (several of these, with weights).
"""

import abc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from glassformer.config import Variant, suggestion, variants
from glassformer.errors import CorpusError


class Document(NamedTuple):
    """One text, and where it came from."""

    text: str
    origin: str
    """A place that a person can look up: `notes/a.txt`, `talk.jsonl:12`, `village/train/17`."""
    split: str = ""
    """`train` or `validation` if the source decides that; empty if `data` should decide."""
    source: int = 0
    """Which source of a mixture it is from: an index into the corpus's `sources`."""
    note: str = ""
    """What a person should know about how it was read (`was read as cp1252`); the report counts these."""


class Skipped(Document):
    """Takes the place of something that could not be read. It has no text, but an origin and a reason.

    `str` gives a sentence: `{origin} {reason}{detail}`. Reports count skipped documents by `reason`; `detail` says
    where exactly the fault is, and how to repair it.
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
        """All documents, one at a time, always in the same order. Raises CorpusError."""

    @abc.abstractmethod
    def fingerprint(self) -> str:
        """A hash that changes if the documents would and not otherwise: of the bytes of files, wherever they stand, or of a
        seed and a version."""

    def size(self) -> int | None:
        """About how many bytes of text `documents` gives, for the time left; None if not known. Reads no text."""
        return None

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of its sources, one for each value of `Document.source`. A plain corpus has one source, itself."""
        return (Path(self.name).stem,)

    @property
    def weights(self) -> tuple[float, ...]:
        """How large a share of training each source should get; the shares sum to 1. `documents` gives all of each
        source."""
        return (1.0,)


def corpus(source: str) -> Corpus:
    """The corpus that `source` names: a built-in corpus (`village`, `python`), a path to the user's files, a Hugging
    Face dataset (`hf:owner/name`, `hf:owner/name:subset`, `hf:./folder`), or a mixture (`village=0.7,./books=0.3`).

    Raises CorpusError if it is none of these.
    """
    known = [name for name in variants(Corpus) if name not in WRITTEN]
    if source in known:
        return Corpus.named(source)
    if source and Path(source).expanduser().exists():
        return Corpus.named("files", path=source)
    if source.startswith("hf:"):
        return Corpus.named("hub", **_hub(source.removeprefix("hf:")))
    if is_mixture(source):
        return Corpus.named("mixture", parts=_weights(source))
    if source in WRITTEN:
        raise CorpusError(f"'{source}' alone is not a source; write {WRITTEN[source]}")
    raise CorpusError(f"there is no file, folder or corpus called '{source}'; {suggestion(source, known)}")


WRITTEN = {
    "files": "the path of a file or folder",
    "hub": "hf:NAME, for example hf:roneneldan/TinyStories",
    "mixture": "each source with its weight, for example village=0.7,./books=0.3",
}
"""What to write in place of the name of a variant that needs more than its name."""


def is_mixture(source: str) -> bool:
    """Whether this is a mixture as the user writes it: two sources or more, each with its weight."""
    parts = source.split(",")
    return len(parts) > 1 and all(_PART.fullmatch(part) for part in parts)


_PART = re.compile(r"\s*(?P<source>\S.*?)\s*=\s*(?P<weight>[0-9]*\.?[0-9]+(e-?[0-9]+)?)\s*")


def _weights(source: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in map(_PART.fullmatch, source.split(",")):
        assert part
        if part["source"] in weights:
            raise CorpusError(f"'{part['source']}' is in the mixture twice; name it once, with the sum of its weights")
        weights[part["source"]] = float(part["weight"])
    return weights


def _hub(name: str) -> dict[str, str]:
    """The settings of `hub` for `owner/name:subset` or a folder. Raises CorpusError."""
    folder = name.startswith((".", "/", "~")) or Path(name).is_absolute()
    dataset, _, subset = (name, "", "") if folder and Path(name).expanduser().exists() else name.partition(":")
    if not dataset:
        raise CorpusError("hf: needs the name of a dataset; write hf:NAME, for example hf:roneneldan/TinyStories")
    return {"dataset": dataset, "subset": subset}
