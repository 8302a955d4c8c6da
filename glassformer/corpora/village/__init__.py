"""The village: a simulated world that tells endless stories, and can check whether a story told of it is true.

Story i of a split is a pure function of (seed, split, i). A hero, a setting and a plot make a combination; a hash of the
combination says whether it belongs to training or to validation, so no validation story's combination is ever trained on.
`plots` say what happens, `teller` words it in sentences of `grammar`, `checker` reads them back.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import ClassVar

from pydantic import Field

from glassformer.corpora import Corpus, Document

from .checker import Report, Verdict, check
from .story import VERSION, Story, tell

__all__ = ["Report", "Story", "Verdict", "Village", "check"]

CHUNK = 250  # stories a worker tells at a time
SMALL = 2_000_000  # bytes below which starting workers costs more than it gives


class Village(Corpus):
    """Stories of a simulated village: endless, seeded, checkable."""

    megabytes: float = Field(20, gt=0, description="size of the training split, MB")
    seed: int = Field(0, ge=0, description="which village; another seed tells other stories")
    validation_fraction: float = Field(
        0.05, gt=0, le=1, description="size of the validation split, as a share of training"
    )
    workers: int = Field(0, ge=0, description="processes that tell stories; 0 = one per core, 1 = no extra process")

    SPLITS: ClassVar[tuple[str, str]] = ("train", "validation")

    def documents(self) -> Iterator[Document]:
        """Training stories up to `megabytes`, then validation stories. The same for any number of workers."""
        train = int(self.megabytes * 1e6)
        for split, size in (("train", train), ("validation", max(1, int(train * self.validation_fraction)))):
            i = told = 0
            for text in self._texts(split, size):
                yield Document(text, f"village/{split}/{i}", split)
                i, told = i + 1, told + len(text)
                if told >= size:
                    break

    def story(self, split: str, i: int) -> Story:
        """Story i of a split, with its events."""
        return tell(self.seed, split, i)

    def fingerprint(self) -> str:
        what = f"village {VERSION} {self.seed} {self.megabytes} {self.validation_fraction}"
        return hashlib.sha256(what.encode()).hexdigest()

    def _texts(self, split: str, size: int) -> Iterator[str]:
        """Stories from number 0 on, without end."""
        workers = self.workers or _cores()
        if workers == 1 or size < SMALL:
            i = 0
            while True:
                yield tell(self.seed, split, i).text
                i += 1
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            waiting, start = [], 0
            while True:
                while len(waiting) < 2 * workers:
                    waiting.append(pool.submit(_chunk, self.seed, split, start))
                    start += CHUNK
                yield from waiting.pop(0).result()


def _chunk(seed: int, split: str, start: int) -> list[str]:
    return [tell(seed, split, i).text for i in range(start, start + CHUNK)]


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
