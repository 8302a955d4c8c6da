"""Which documents of a spool repeat an earlier one, exactly or nearly (`duplicates`). The first of equal ones is kept.

Exact repetitions are found by 64-bit hashes of the texts, a few million hashes at a time; only the result, one byte per
document, is held in memory. Near repetitions are searched only if asked for, which takes 60 bytes per document.
"""

from pathlib import Path
from typing import Any

import numpy as np

from glassformer.data.clean.report import EXCERPT, MOST_EXAMPLES, Example, dropped
from glassformer.data.prepare.duplicates import jaccard, near_duplicates
from glassformer.data.prepare.spool import Spool

AT_ONCE = 1 << 21  # hashes
STAYS, REPEATED, NEAR = 0, 1, 2


class Repetitions:
    """`of` (n,) uint8: STAYS, REPEATED or NEAR for each document of the spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._near: np.ndarray | None = None
        self.of = np.zeros(len(spool), np.uint8)
        self._pairs: list[tuple[int, int]] = []  # the first few (repeated, original)
        buckets = 1 + len(spool) // AT_ONCE
        for bucket in range(buckets):
            later, earlier = _equal(*_bucket(spool, bucket, buckets))
            self.of[later] = REPEATED
            here = np.argsort(later)[:MOST_EXAMPLES]
            self._pairs = sorted(self._pairs + list(zip(later[here].tolist(), earlier[here].tolist())))[:MOST_EXAMPLES]

    def find_near(self, threshold: float, path: Path) -> None:
        """Search for near duplicates, and write the result to the file `path`."""
        spool = self._spool
        likeness = lambda one, two: jaccard(spool.text(one), spool.text(two))  # noqa: E731
        near_duplicates(spool.signatures(), threshold, verify=likeness).astype("<i8").tofile(path)

    def count_near(self, path: Path) -> None:
        """Mark the near duplicates that `find_near` wrote to `path`."""
        self._near = np.memmap(path, "<i8", mode="r")
        for start in range(0, len(self.of), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            self.of[part][(self._near[part] >= 0) & (self.of[part] == STAYS)] = NEAR

    def reports(self) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """What was dropped, as `clean.dropped` gives it: exact repetitions, and near ones (None if they were not
        searched).

        An example names the document and the one that it repeats, and shows its beginning.
        """
        documents, characters = np.zeros(3, np.int64), np.zeros(3, np.int64)
        for first, records in self._spool.records():
            kinds = self.of[first : first + len(records)]
            documents += np.bincount(kinds, minlength=3)
            characters += np.bincount(kinds, records["characters"], minlength=3).astype(np.int64)
        repeated = dropped(int(documents[REPEATED]), int(characters[REPEATED]), self._examples(self._pairs))
        if self._near is None:
            return repeated, None
        first_few = np.argsort(self.of != NEAR, kind="stable")[: min(MOST_EXAMPLES, int(documents[NEAR]))].tolist()
        examples = self._examples([(number, int(self._near[number])) for number in first_few])
        return repeated, dropped(int(documents[NEAR]), int(characters[NEAR]), examples)

    def _examples(self, pairs: list[tuple[int, int]]) -> tuple[Example, ...]:
        found = self._spool.look_up([number for pair in pairs for number in pair])
        return tuple(
            Example(origin=f"{found[later][0]} repeats {found[earlier][0]}", before=found[later][1][:EXCERPT], after="")
            for later, earlier in pairs
        )


def _bucket(spool: Spool, bucket: int, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """(numbers, hashes) of the documents whose hash belongs to a bucket, in order."""
    numbers, hashes = [], []
    for first, records in spool.records():
        inside = np.flatnonzero(records["hash"] % np.uint64(buckets) == bucket)
        numbers.append(first + inside)
        hashes.append(records["hash"][inside])
    return np.concatenate(numbers), np.concatenate(hashes)


def _equal(numbers: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(numbers whose hash occurred before, the first number with the same hash). `numbers` must increase."""
    order = np.argsort(hashes, kind="stable")
    again = np.zeros(len(order), bool)
    again[1:] = hashes[order][1:] == hashes[order][:-1]
    start = np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))
    return numbers[order][again], numbers[order[start]][again]
