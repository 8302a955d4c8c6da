"""Random windows: each starts anywhere in the text, with equal chance, and may span documents."""

import numpy as np

from glassformer.data.batches import Batch, rows_of, uniform
from glassformer.data.mixture import Dealer, Mixture, Units, texts_of
from glassformer.data.sampler import Sampler
from glassformer.data.shards import Split


class Windows(Sampler):
    """No order and no epochs: a token may come twice before another comes once."""

    def build(
        self, split: Split, context_length: int, batch_size: int, seed: int, mixture: Mixture | None = None
    ) -> "RandomWindows":
        """With a mixture, a window lies within the text of one source."""
        return RandomWindows(split, context_length, batch_size, seed, mixture)


class RandomWindows:
    """Where the rows of a step start is drawn from (seed, step).

    >>> windows = RandomWindows(dataset.train, context_length=256, batch_size=16, seed=1)
    >>> windows(step=7).ids.shape
    torch.Size([16, 256])
    >>> torch.equal(windows(7, rank=1, ranks=2).ids, windows(7).ids[8:])
    True
    """

    def __init__(
        self, split: Split, context_length: int, batch_size: int, seed: int, mixture: Mixture | None = None
    ) -> None:
        self.split, self.context_length, self.batch_size, self.seed = split, context_length, batch_size, seed
        self._deal = Dealer(mixture, batch_size, seed)
        texts = texts_of(split, mixture)
        self._first = np.concatenate([first for first, _ in texts])
        self._starts = Units(
            [np.maximum(0, stop - first - context_length) for first, stop in texts], split, mixture,
            f"one window of context_length {context_length:,} takes {context_length + 1:,}; give more text, or set a "
            "smaller context_length",
        )  # fmt: skip

    def __call__(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """See Batches."""
        starts = self.starts(step)[rows_of(rank, ranks, self.batch_size)]
        windows = self.split.tokens.windows(starts, self.context_length + 1)
        return Batch.of(windows[:, :-1], windows[:, 1:].copy())

    def starts(self, step: int) -> np.ndarray:
        """(batch_size,) int64: where the windows of the global batch begin."""
        source, _ = self._deal(step)
        drawn = uniform(self.seed, step, self.batch_size) * np.array(self._starts.totals)[source]
        run, offset = self._starts.find(source, drawn.astype(np.int64))
        return self._first[run] + offset

