"""The village: a simulated world that tells endless stories, and can check whether a story told of it is true.

Story i of a split is a pure function of (seed, split, i). A hero, a setting and a plot make a combination; a hash of
the combination says whether it belongs to training or to validation, so no combination is in both.
`plots` say what happens, `teller` words it in sentences of `grammar`, `checker` reads them back.
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

CHUNK = 250  # stories a worker tells at a time


class Village(Corpus):
    """Stories of a simulated village: endless, seeded, checkable."""

    megabytes: float = Field(default=20, gt=0, description="size of the training split, MB")
    seed: int = Field(default=0, ge=0, description="which village; another seed tells other stories")
    validation_fraction: float = Field(
        default=0.05, gt=0, le=1, description="size of the validation split, as a share of training"
    )
    workers: int = Field(
        default=0, ge=0, description="processes that tell stories; 0 = one per core, 1 = no extra process"
    )

    SPLITS: ClassVar[tuple[str, str]] = ("train", "validation")

    def documents(self) -> Iterator[Document]:
        """Training stories up to `megabytes`, then validation stories. The same for any number of workers."""
        train = int(self.megabytes * 1e6)
        for split, size in (("train", train), ("validation", max(1, int(train * self.validation_fraction)))):
            i = told = 0
            for text in self._texts(split):
                yield Document(text, f"village/{split}/{i}", split)
                i, told = i + 1, told + len(text)
                if told >= size:
                    break

    def story(self, split: str, i: int) -> Story:
        """Story i of a split, with its events."""
        return tell(self.seed, split, i)

    def size(self) -> int:
        return int(self.megabytes * 1e6 * (1 + self.validation_fraction))

    def fingerprint(self) -> str:
        what = f"village {VERSION} {self.seed} {self.megabytes} {self.validation_fraction}"
        return hashlib.sha256(what.encode()).hexdigest()

    def _texts(self, split: str) -> Iterator[str]:
        """Stories from number 0 on, without end."""
        for _, texts in in_order(partial(_chunk, self.seed, split), count(0, CHUNK), self.workers or _cores()):
            yield from texts


def _chunk(seed: int, split: str, start: int) -> list[str]:
    return [tell(seed, split, i).text for i in range(start, start + CHUNK)]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
