"""Several sources in one: `village=0.7,./books=0.3`. Each keeps all of its documents; the weights say how often a model
is to see each, and act when batches are drawn (`data/sampler`), so another mixture needs no other preparation of texts.
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
    """How often it is seen, relative to the others."""


class Mixture(Corpus):
    """Documents of several sources, numbered by source, with weights."""

    parts: dict[str, Part] = Field(min_length=1)
    """Weights by source, as {"village": 0.7, "./books": 0.3}; {"weight": 0.7, "megabytes": 5} sets more of a source."""

    @field_validator("parts", mode="before")
    @classmethod
    def _from_weights(cls, parts: Any) -> Any:
        return {source: _part(source, value) for source, value in parts.items()} if isinstance(parts, dict) else parts

    @field_validator("parts")
    @classmethod
    def _flat(cls, parts: dict[str, Part]) -> dict[str, Part]:
        for source, part in parts.items():
            if isinstance(part.corpus, Mixture):
                raise ValueError(f"'{source}' is itself a mixture; name its sources one by one in the outer one")
        if len(parts) > 256:
            raise ValueError(f"a mixture has at most 256 sources, and this one {len(parts)}; put files in one folder")
        return parts

    def documents(self) -> Iterator[Document]:
        """All documents of the first source, then of the second ..."""
        for number, part in enumerate(self.parts.values()):
            for document in part.corpus.documents():
                if isinstance(document, Skipped):
                    yield Skipped.because(document.origin, document.reason, document.detail, number)
                else:
                    yield document._replace(source=number)

    @property
    def sources(self) -> tuple[str, ...]:
        """Each source's own name; where two are alike, what the user wrote."""
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
        facts = [(part.corpus.name, part.corpus.fingerprint(), part.weight) for part in self.parts.values()]
        return hashlib.sha256(repr(("mixture 1", self.sources, facts)).encode()).hexdigest()


def _part(source: str, value: Any) -> Any:
    """A part as the user may write it: a weight, or a weight with settings of the source. Raises CorpusError."""
    if isinstance(value, dict) and "corpus" not in value:
        knobs = {name: knob for name, knob in value.items() if name != "weight"}
        tree = {"corpus": corpus(source).model_dump() | knobs}
        return tree | {"weight": value["weight"]} if "weight" in value else tree
    return {"corpus": corpus(source), "weight": value} if isinstance(value, int | float) else value
