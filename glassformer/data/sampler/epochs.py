"""Epochs: the text cut into windows that lie side by side, read in a shuffled order, a new one every epoch.

Each token is a target exactly once an epoch (but the very first, which nothing precedes). The shuffle is computed
(data/shuffle.py), not stored, so any corpus has one.
"""

import numpy as np

from glassformer.data.batches import IGNORED, Batch, rows_of
from glassformer.data.mixture import Dealer, Mixture, Units, texts_of
from glassformer.data.sampler import Sampler
from glassformer.data.shards import Split


class Epochs(Sampler):
    """Every token once, then all again in another order."""

    def build(
        self, split: Split, context_length: int, batch_size: int, seed: int, mixture: Mixture | None = None
    ) -> "ShuffledWindows":
        """With a mixture, each source has epochs of its own: one with twice its share of the text comes twice as often."""
        return ShuffledWindows(split, context_length, batch_size, seed, mixture)


class ShuffledWindows:
    """`n_windows` rows are an epoch; a batch may hold the end of one and the beginning of the next."""

    def __init__(
        self, split: Split, context_length: int, batch_size: int, seed: int, mixture: Mixture | None = None
    ) -> None:
        self.split, self.context_length, self.batch_size, self.seed = split, context_length, batch_size, seed
        self._deal = Dealer(mixture, batch_size, seed)
        texts = texts_of(split, mixture)
        self._first, self._stop = (np.concatenate(ends) for ends in zip(*texts))
        self._windows = Units(
            [-(-(stop - first - 1) // context_length) for first, stop in texts], split, mixture,
            "one token is too few to predict any; give more text",
        )  # fmt: skip
        self.n_windows = len(self._windows)

    def __call__(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """See Batches. What the last window of a text lacks is filled with targets that are IGNORED."""
        source, number = (each[rows_of(rank, ranks, self.batch_size)] for each in self._deal(step))
        run, window = self._windows.find(source, self._windows.shuffled(source, number, self.seed))
        starts, T = self._first[run] + window * self.context_length, self.context_length
        rows = np.full((len(starts), T + 1), IGNORED, np.int64)
        for row, start, stop in zip(rows, starts.tolist(), np.minimum(starts + T + 1, self._stop[run]).tolist()):
            row[: stop - start] = self.split.tokens[start:stop]
        return Batch.of(rows[:, :-1], rows[:, 1:].copy())
