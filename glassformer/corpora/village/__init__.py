"""The village: a simulated world that tells endless stories, and that can check whether a story about it is consistent.

Story i of a split is a pure function of (seed, split, i). A hero, a setting and a plot make a combination. A hash of
the combination decides whether it belongs to training or to validation, so no combination is in both. `plots` say what
happens, `teller` words it in sentences of the `grammar`, and `checker` reads the sentences back.
"""

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import ClassVar

from pydantic import Field

from glassformer.corpora import Corpus, Document
from glassformer.system.workers import in_order

from .checker import Report, Verdict, check
from .story import VERSION, Story, tell

__all__ = ["Report", "Story", "Verdict", "Village", "check"]

CHUNK = 250  # stories that a worker tells at a time


class Village(Corpus):
    """Stories of a simulated village."""

    megabytes: float = Field(default=20, gt=0)
    """Size of the training split in megabytes."""
    seed: int = Field(default=0, ge=0)
    """Seed of the story generator; another number gives other stories."""
    validation_fraction: float = Field(default=0.05, gt=0, le=1)
    """Size of the validation split, as a share of the training split."""
    workers: int = Field(default=0, ge=0)
    """How many processes tell stories; 0 is one per core, 1 is no extra process."""

    SPLITS: ClassVar[tuple[str, str]] = ("train", "validation")

    def documents(self) -> Iterator[Document]:
        """Training stories up to `megabytes`, then validation stories. They do not depend on the number of workers."""
        train = int(self.megabytes * 1e6)
        for split, size in (("train", train), ("validation", max(1, int(train * self.validation_fraction)))):
            i = told = 0
            for text in self._texts(split):
                yield Document(text, f"village/{split}/{i}", split)
                i, told = i + 1, told + len(text)
                if told >= size:
                    break

    def story(self, split: str, i: int) -> Story:
        """Story i of a split, with the events that it tells."""
        return tell(self.seed, split, i)

    def size(self) -> int:
        return int(self.megabytes * 1e6 * (1 + self.validation_fraction))

    def fingerprint(self) -> str:
        what = f"village {VERSION} {self.seed} {self.megabytes} {self.validation_fraction}"
        return hashlib.sha256(what.encode()).hexdigest()

    def _texts(self, split: str) -> Iterator[str]:
        """The stories of a split from number 0 on, without end."""
        for _, texts in in_order(partial(_chunk, self.seed, split), count(0, CHUNK), self.workers or _cores()):
            yield from texts


def _chunk(seed: int, split: str, start: int) -> list[str]:
    return [tell(seed, split, i).text for i in range(start, start + CHUNK)]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
