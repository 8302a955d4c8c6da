"""Corpora: where text comes from. Every source goes through one door, `corpus(source)`, and yields documents.

Slot `Corpus`; variants are the files beside this one: `village` (a simulated world that tells endless stories),
`python` (the standard library of the running interpreter), `files` (a file or folder of the user's own), `hub` (a Hugging
Face dataset) and `mixture` (several of these, with weights).
"""

import abc
import re
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
    note: str = ""
    """What a person should know of how it was read (`was read as cp1252`); the report counts these."""


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

    def size(self) -> int | None:
        """About how many bytes of text `documents` gives, to tell the time left; None if unknown. Reads no text."""
        return None

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the components, one for each value of `Document.source`: a plain corpus has one, itself."""
        return (Path(self.name).stem,)

    @property
    def weights(self) -> tuple[float, ...]:
        """The share of each component in what a model is to see, summing to 1. `documents` gives all of each."""
        return (1.0,)


def corpus(source: str) -> Corpus:
    """The corpus that `source` names.

    A variant (`village`, `python`); a path to the user's files; a Hugging Face dataset (`hf:owner/name`,
    `hf:owner/name:subset`, `hf:./folder`); or a mixture (`village=0.7,./books=0.3`). Raises CorpusError for none of these.
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
        raise CorpusError(f"'{source}' is not a source by itself; write {WRITTEN[source]}")
    raise CorpusError(f"there is no file, folder or corpus called '{source}'; {suggestion(source, known)}")


WRITTEN = {
    "files": "the path of a file or folder",
    "hub": "hf:NAME, as hf:roneneldan/TinyStories",
    "mixture": "the weights, as village=0.7,./books=0.3",
}
"""How the variants that need to be told something are named."""


def is_mixture(source: str) -> bool:
    """Whether this is the short form of a mixture: two sources or more, each with its weight."""
    parts = source.split(",")
    return len(parts) > 1 and all(_PART.fullmatch(part) for part in parts)


_PART = re.compile(r"\s*(?P<source>\S.*?)\s*=\s*(?P<weight>[0-9]*\.?[0-9]+(e-?[0-9]+)?)\s*")


def _weights(source: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in map(_PART.fullmatch, source.split(",")):
        assert part
        if part["source"] in weights:
            raise CorpusError(f"'{part['source']}' is in the mixture twice; add its weights up")
        weights[part["source"]] = float(part["weight"])
    return weights


def _hub(name: str) -> dict[str, str]:
    """`owner/name:subset`, or a folder, as the settings of `hub`."""
    folder = name.startswith((".", "/", "~")) or Path(name).is_absolute()
    dataset, _, subset = (name, "", "") if folder and Path(name).expanduser().exists() else name.partition(":")
    if not dataset:
        raise CorpusError("hf: needs the name of a dataset; write hf:NAME, as hf:roneneldan/TinyStories")
    return {"dataset": dataset, "subset": subset}
