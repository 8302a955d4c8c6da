"""Batches: windows of ids as tensors. A batch is a pure function of its arguments.

There is no loader with a state to save, lose or synchronise: `windows(step)` draws its start positions from a random
generator keyed by (seed, step) alone. So a resumed run sees exactly the batches it would have seen, and N processes
share one global batch by each taking its rows: the tokens of a step are the same for any number of them.

The generator is Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), which hashes a key and a
counter instead of stepping a state. Its raw output is used, since only that is the same in every version of NumPy.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from glassformer.data.shards import Split
from glassformer.errors import DatasetError

IGNORED = -100
"""A target that is not counted in the loss."""


class Batch(NamedTuple):
    """What a training step needs: position by position, the id read and the id to predict."""

    ids: Tensor  # (B, T) int64
    targets: Tensor  # (B, T) int64: the id that follows, or IGNORED


class Windows:
    """Random windows of a split: each starts anywhere, with equal chance, and may span documents.

    >>> windows = Windows(dataset.train, context_length=256, batch_size=16, seed=1)
    >>> windows(step=7).ids.shape
    torch.Size([16, 256])
    >>> torch.equal(windows(7, rank=1, ranks=2).ids, windows(7).ids[8:])
    True
    """

    def __init__(self, split: Split, context_length: int, batch_size: int, seed: int) -> None:
        """`batch_size` counts the rows of all ranks together. Raises DatasetError for a split shorter than a window."""
        if len(split) <= context_length:
            raise DatasetError(
                f"the {split.name} split of {split.folder} has {len(split):,} tokens, and one window of context_length "
                f"{context_length:,} takes {context_length + 1:,}; give more text, or set a smaller context_length"
            )
        self.split, self.context_length, self.batch_size, self.seed = split, context_length, batch_size, seed

    def __call__(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """The rows of batch number `step` that fall to `rank`: all, or a contiguous 1/ranks. Raises DatasetError."""
        first, last = rank * self.batch_size // ranks, (rank + 1) * self.batch_size // ranks
        windows = self.split.tokens.windows(self.starts(step)[first:last], self.context_length + 1)
        return _batch(windows)

    def starts(self, step: int) -> np.ndarray:
        """(batch_size,) int64: where the windows of the global batch begin."""
        key = np.array([self.seed % 2**64, step], np.uint64)
        uniform = (np.random.Philox(key=key).random_raw(self.batch_size) >> np.uint64(11)) * 2.0**-53  # in [0, 1)
        return (uniform * (len(self.split) - self.context_length)).astype(np.int64)


def sequential(split: Split, context_length: int, batch_size: int, limit: int | None = None) -> Iterator[Batch]:
    """Windows for evaluation, side by side: each token but the first is a target exactly once, in an order that stays.

    With `limit`, about that many targets in windows spread evenly over the split. Every batch is (batch_size,
    context_length): what the last window lacks, and the last batch, is filled with targets that are IGNORED. Raises
    DatasetError.
    """
    if len(split) < 2:
        raise DatasetError(
            f"the {split.name} split of {split.folder} has one token, too few to predict any; give more text"
        )
    starts = evaluation_starts(len(split), context_length, limit)
    for first in range(0, len(starts), batch_size):
        windows = np.full((batch_size, context_length + 1), IGNORED, np.int64)
        for row, start in zip(windows, starts[first : first + batch_size].tolist()):
            ids = split.tokens[start : start + context_length + 1]
            row[: len(ids)] = ids
        yield _batch(windows)


def evaluation_starts(n_tokens: int, context_length: int, limit: int | None = None) -> np.ndarray:
    """(n,) int64: where the windows of `sequential` begin in a split of `n_tokens`."""
    starts = np.arange(0, n_tokens - 1, context_length)
    if limit is None or limit >= n_tokens - 1:
        return starts
    n_windows = max(1, limit // context_length)
    return starts[np.arange(n_windows) * len(starts) // n_windows]


def _batch(windows: np.ndarray) -> Batch:
    ids, targets = torch.from_numpy(windows[:, :-1].copy()), torch.from_numpy(windows[:, 1:].copy())
    return Batch(ids.clamp_(min=0), targets)
