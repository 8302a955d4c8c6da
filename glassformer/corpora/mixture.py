"""Several sources with weights: `village=0.7,./books=0.3`.

The prepared dataset holds all documents of every source. The weights say how much of training each source gets; they
take effect when batches are drawn (`data/sampler`).
"""

import hashlib
from collections.abc import Iterator
from typing import Any

from pydantic import Field, field_validator

from glassformer.config import Config
from glassformer.corpora import Corpus, Document, Skipped, corpus


class Part(Config):
    """One source of a mixture."""

    corpus: Corpus
    """Where its text comes from."""
    weight: float = Field(gt=0)
    """How much of training it gets, relative to the other sources."""


class Mixture(Corpus):
    """Several sources with weights."""

    parts: dict[str, Part] = Field(min_length=1)
    """The weight of each source: {"village": 0.7, "./books": 0.3}. To set more of a source, write for example
    {"village": {"weight": 0.7, "megabytes": 5}, ...}."""

    @field_validator("parts", mode="before")
    @classmethod
    def _from_weights(cls, parts: Any) -> Any:
        return {source: _part(source, value) for source, value in parts.items()} if isinstance(parts, dict) else parts

    @field_validator("parts")
    @classmethod
    def _flat(cls, parts: dict[str, Part]) -> dict[str, Part]:
        for source, part in parts.items():
            if isinstance(part.corpus, Mixture):
                raise ValueError(f"'{source}' is itself a mixture; name its sources one by one in this mixture instead")
        if len(parts) > 256:
            raise ValueError(
                f"a mixture has at most 256 sources, and this one has {len(parts)}; put files that belong together "
                "into one folder"
            )
        return parts

    def documents(self) -> Iterator[Document]:
        """All documents of the first source, then those of the second, and so on."""
        for number, part in enumerate(self.parts.values()):
            for document in part.corpus.documents():
                if isinstance(document, Skipped):
                    yield Skipped.because(document.origin, document.reason, document.detail, number)
                else:
                    yield document._replace(source=number)

    @property
    def sources(self) -> tuple[str, ...]:
        """The name of each source; if two have the same name, what the user wrote for them."""
        names = [part.corpus.sources[0] for part in self.parts.values()]
        return tuple(
            name if names.count(name) == 1 else written for written, name in zip(self.parts, names, strict=True)
        )

    @property
    def weights(self) -> tuple[float, ...]:
        total = sum(part.weight for part in self.parts.values())
        return tuple(part.weight / total for part in self.parts.values())

    def size(self) -> int | None:
        sizes = [part.corpus.size() for part in self.parts.values()]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def fingerprint(self) -> str:
        facts = [(part.corpus.identity, part.corpus.fingerprint(), part.weight) for part in self.parts.values()]
        return hashlib.sha256(repr(("mixture 2", self.sources, facts)).encode()).hexdigest()


def _part(source: str, value: Any) -> Any:
    """A part as the user may write it: a weight, or a weight together with settings of the source. Raises
    CorpusError."""
    if isinstance(value, dict) and "corpus" not in value:
        knobs = {name: knob for name, knob in value.items() if name != "weight"}
        tree = {"corpus": corpus(source).model_dump() | knobs}
        return tree | {"weight": value["weight"]} if "weight" in value else tree
    return {"corpus": corpus(source), "weight": value} if isinstance(value, int | float) else value
