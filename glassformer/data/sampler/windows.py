"""Random windows: each starts anywhere in the text, all starts equally likely, and may span documents."""

import numpy as np

from glassformer.data.batches import Batch, uniform
from glassformer.data.mixture import Mixture, Units, texts_of
from glassformer.data.sampler import Sampler
from glassformer.data.sampler._rows import Rows
from glassformer.data.shards import Split


class Windows(Sampler):
    """There are no epochs: a token may come twice before another comes once."""

    def build(
        self, split: Split, context_length: int, batch_size: int, seed: int = 0, mixture: Mixture | None = None
    ) -> "RandomWindows":
        """With a mixture, a window lies within the text of one source."""
        return RandomWindows(split, context_length, batch_size, seed, mixture)


class RandomWindows(Rows):
    """The places where the rows of a step start are drawn from (seed, step).

    >>> windows = RandomWindows(dataset.train, context_length=256, batch_size=16, seed=1)
    >>> windows(step=7).ids.shape
    torch.Size([16, 256])
    >>> torch.equal(windows(7, rank=1, ranks=2).ids, windows(7).ids[8:])
    True
    """

    def __init__(
        self, split: Split, context_length: int, batch_size: int, seed: int, mixture: Mixture | None = None
    ) -> None:
        super().__init__(split, context_length, batch_size, seed, mixture)
        texts = texts_of(split, mixture)
        self._first = np.concatenate([first for first, _ in texts])
        self._starts = Units(
            [np.maximum(0, stop - first - context_length) for first, stop in texts], split, mixture,
            f"one window of context_length {context_length:,} takes {context_length + 1:,}; give more text, or set a "
            "smaller context_length",
        )  # fmt: skip

    def places(self, step: int) -> np.ndarray:
        """(1, batch_size): where the windows start."""
        source, _ = self.deal(step)
        drawn = uniform(self.seed, step, self.batch_size) * np.array(self._starts.totals)[source]
        text, offset = self._starts.find(source, drawn.astype(np.int64))
        return (self._first[text] + offset)[None]

    def read(self, places: np.ndarray) -> Batch:
        """(1, n) -> n rows."""
        return Batch.of(self.split.tokens.windows(places[0], self.context_length + 1))
