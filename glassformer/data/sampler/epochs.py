"""Epochs: the text is cut into windows that lie side by side and are read in a shuffled order, a new one every epoch.

Each token is a target exactly once per epoch, except the first, which has none before it. The shuffle is computed
(data/shuffle.py), not stored, so it works for a corpus of any size.
"""

import numpy as np

from glassformer.data.batches import Batch
from glassformer.data.mixture import Mixture, Units, texts_of
from glassformer.data.sampler import Sampler
from glassformer.data.sampler._rows import Rows
from glassformer.data.shards import Split
from glassformer.kernels.cross_entropy import IGNORED


class Epochs(Sampler):
    """Every token once, then all of them again in another order."""

    def build(
        self, split: Split, context_length: int, batch_size: int, seed: int = 0, mixture: Mixture | None = None
    ) -> "ShuffledWindows":
        """With a mixture, each source has epochs of its own: one with twice its share of the text comes twice as often."""
        return ShuffledWindows(split, context_length, batch_size, seed, mixture)


class ShuffledWindows(Rows):
    """`n_windows` rows are an epoch; a batch may hold the end of one epoch and the beginning of the next."""

    def __init__(
        self, split: Split, context_length: int, batch_size: int, seed: int, mixture: Mixture | None = None
    ) -> None:
        super().__init__(split, context_length, batch_size, seed, mixture)
        texts = texts_of(split, mixture)
        self._first, self._stop = (np.concatenate(ends) for ends in zip(*texts))
        self._windows = Units(
            [-(-(stop - first - 1) // context_length) for first, stop in texts], split, mixture,
            "one token is too few to predict any; give more text",
        )  # fmt: skip
        self.n_windows = len(self._windows)

    def places(self, step: int) -> np.ndarray:
        """(2, batch_size): where the windows start, and where they stop."""
        text, window = self._windows.shuffled(*self.deal(step), self.seed)
        starts = self._first[text] + window * self.context_length
        return np.stack([starts, np.minimum(starts + self.context_length + 1, self._stop[text])])

    def read(self, places: np.ndarray) -> Batch:
        """(2, n) -> n rows. The last window of a text is filled up with targets that are IGNORED."""
        rows = np.full((places.shape[1], self.context_length + 1), IGNORED, np.int64)
        for row, (start, stop) in zip(rows, places.T.tolist()):
            row[: stop - start] = self.split.tokens[start:stop]
        return Batch.of(rows)
