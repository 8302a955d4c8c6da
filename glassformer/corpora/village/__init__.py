"""The village: a simulated world that tells endless stories, and can check whether a story told of it is true.

Story i of a split is a pure function of (seed, split, i). A hero, a setting and a plot make a combination; a hash of
the combination says whether it belongs to training or to validation, so no combination is in both.
`plots` say what happens, `teller` words it in sentences of `grammar`, `checker` reads them back.
"""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import count
from multiprocessing import get_context, parent_process
from typing import ClassVar

from pydantic import Field

from glassformer.corpora import Corpus, Document

from .checker import Report, Verdict, check
from .story import VERSION, Story, tell

__all__ = ["Report", "Story", "Verdict", "Village", "check"]

CHUNK = 250  # stories a worker tells at a time
SMALL = 8_000_000  # characters below which starting workers costs more than it gives


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
            for text in self._texts(split, size):
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

    def _texts(self, split: str, size: int) -> Iterator[str]:
        """Stories from number 0 on, without end."""
        workers = self.workers or _cores()
        i = 0
        if workers > 1 and size >= SMALL and parent_process() is None:
            pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
            try:
                starts = count(0, CHUNK)
                waiting = [pool.submit(_chunk, self.seed, split, next(starts)) for _ in range(2 * workers)]
                while True:
                    texts = waiting.pop(0).result()
                    waiting.append(pool.submit(_chunk, self.seed, split, next(starts)))
                    yield from texts
                    i += CHUNK
            except BrokenProcessPool:  # a script without `if __name__ == "__main__"` cannot start workers
                pass
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        while True:
            yield tell(self.seed, split, i).text
            i += 1


def _chunk(seed: int, split: str, start: int) -> list[str]:
    return [tell(seed, split, i).text for i in range(start, start + CHUNK)]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
