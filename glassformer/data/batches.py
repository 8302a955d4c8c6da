"""Batches: ids as tensors. A batch is a pure function of its arguments.

There is no loader with a state to save, lose or synchronise: a sampler (data/sampler/) is a function of a step's number
that draws from (seed, step) alone. So a resumed run sees exactly the batches it would have seen, and N processes share
one global batch by each taking its rows: the tokens of a step are the same for any number of them, in the same order.

What is drawn comes from Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), which hashes a key
and a counter instead of stepping a state. Its raw output is used, since only that is the same in every version of NumPy.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from glassformer.data.shards import Split
from glassformer.errors import DatasetError
from glassformer.kernels.cross_entropy import IGNORED


class Batch(NamedTuple):
    """What a training step needs: position by position, the id read and the id to predict."""

    ids: Tensor  # (B, T) int64
    targets: Tensor  # (B, T) int64: the id that follows, or IGNORED
    documents: Tensor | None = None  # (B, T) int64: which document of its row an id is of; None: every row is one text

    @classmethod
    def of(cls, ids: np.ndarray, targets: np.ndarray, documents: np.ndarray | None = None) -> "Batch":
        """From arrays (B, T) int64 that no one else will write to. Where an id is IGNORED, 0 is read instead."""
        ids = np.maximum(ids, 0)
        return cls(*(None if part is None else torch.from_numpy(part) for part in (ids, targets, documents)))  # type: ignore

    def to(self, device: torch.device) -> "Batch":
        """The batch on `device`; from pinned memory the copy happens meanwhile."""
        return Batch(*(None if t is None else t.to(device, non_blocking=True) for t in self))  # type: ignore

    def pinned(self) -> "Batch":
        """The batch in memory that a GPU reads by itself."""
        return Batch(*(None if t is None else t.pin_memory() for t in self))  # type: ignore

    def parts(self, n: int) -> Iterator["Batch"]:
        """The rows in n parts, as equal as can be; fewer parts when there are fewer rows."""
        parts = [[None] * n if t is None else t.chunk(n) for t in self]
        return (Batch(*part) for part in zip(*parts))  # type: ignore

    def cut(self, length: int) -> "Batch":
        """Every row longer than `length` cut into rows of that length, in order; pieces that predict nothing go.

        The same tokens are read and predicted, each from at most `length` before it.
        """
        T = self.ids.shape[1]
        if length >= T:
            return self
        short = -T % length
        ids, targets, documents = (
            None if t is None else torch.nn.functional.pad(t, (0, short), value=value).view(-1, length)
            for t, value in zip(self, (0, IGNORED, T))
        )
        assert ids is not None and targets is not None
        kept = (targets != IGNORED).any(1)
        return Batch(ids[kept], targets[kept], None if documents is None else documents[kept])


class Batches(Protocol):
    """What a sampler builds: the batch of a step, as a function of its arguments and nothing else."""

    def __call__(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """The rows of batch number `step` that fall to `rank`: all, or a contiguous 1/ranks. Raises DatasetError."""
        ...


def rows_of(rank: int, ranks: int, n_rows: int) -> slice:
    """The rows of a global batch that fall to `rank`."""
    return slice(rank * n_rows // ranks, (rank + 1) * n_rows // ranks)


def uniform(seed: int, step: int, n: int) -> np.ndarray:
    """(n,) float64 in [0, 1), drawn from (seed, step) alone."""
    key = np.array([seed % 2**64, step], np.uint64)
    return (np.random.Philox(key=key).random_raw(n) >> np.uint64(11)) * 2.0**-53


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
        yield Batch.of(windows[:, :-1], windows[:, 1:].copy())


def evaluation_starts(n_tokens: int, context_length: int, limit: int | None = None) -> np.ndarray:
    """(n,) int64: where the windows of `sequential` begin in a split of `n_tokens`."""
    starts = np.arange(0, n_tokens - 1, context_length)
    if limit is None or limit >= n_tokens - 1:
        return starts
    n_windows = max(1, limit // context_length)
    return starts[np.arange(n_windows) * len(starts) // n_windows]
