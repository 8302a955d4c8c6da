"""What samplers of a fixed number of rows share: which source each row is from, and which rows a process reads."""

import abc

import numpy as np

from glassformer.data.batches import Batch, rows_of
from glassformer.data.mixture import Dealer, Mixture
from glassformer.data.shards import Split


class Rows(abc.ABC):
    """Batches of `batch_size` rows. A subclass says where the rows of a step lie, and reads them."""

    def __init__(
        self, split: Split, context_length: int, batch_size: int, seed: int, mixture: Mixture | None = None
    ) -> None:
        self.split, self.context_length, self.batch_size, self.seed = split, context_length, batch_size, seed
        self.deal = Dealer(mixture, batch_size, seed)

    def __call__(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """See Batches."""
        mine = rows_of(rank, ranks, self.batch_size)
        return self.read(self.places(step)[:, mine])

    @abc.abstractmethod
    def places(self, step: int) -> np.ndarray:
        """(k, batch_size) int64: k numbers that say where each row of the global batch lies."""

    @abc.abstractmethod
    def read(self, places: np.ndarray) -> Batch:
        """(k, n) -> the batch of the n rows at these places."""
