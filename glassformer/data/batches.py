"""Batches: ids as tensors. A batch is a pure function of its arguments.

There is no loader with a state to save, lose or synchronise: a sampler (data/sampler/) is a function of a step's number
that draws from (seed, step) alone. So a resumed run sees exactly the batches it would have seen, and N processes share
one global batch by each taking its rows: the tokens of a step are the same for any number of them, in the same order.

Random numbers come from Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), which hashes a key
and a counter instead of stepping a state. We use its raw output, because NumPy guarantees only that to stay the same in
every version.
"""

from collections.abc import Callable, Iterator
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor

from glassformer.data.shards import Split
from glassformer.data.spans import evaluation_spans
from glassformer.errors import DatasetError
from glassformer.kernels.cross_entropy import IGNORED

MULTIPLE = 64
"""Rows of an evaluation are padded to a multiple of this, so that there are few different shapes."""


class Batch:
    """What a training step needs: for every position the id that is read and the id to predict.

    ids (B, T) int64; targets (B, T) int64: the id that follows, or IGNORED; documents (B, T) int64 numbers the documents
    of a row, or is None where every row is one text.

    A stage of training adds tensors of its own by keyword. They need one entry per row, (B, ...), and every method here
    carries them along, so that the loss finds them:

    >>> batch = Batch(ids, targets, reward=torch.tensor([0.5, 1.0]))
    >>> batch.to(device).reward
    tensor([0.5000, 1.0000])
    """

    def __init__(self, ids: Tensor, targets: Tensor, documents: Tensor | None = None, **fields: Tensor | None):
        """Raises ValueError for a field without exactly one entry per row."""
        self.ids, self.targets, self.documents = ids, targets, documents
        for name, field in fields.items():
            if hasattr(type(self), name):
                raise ValueError(
                    f"a field of a batch cannot be called '{name}', which is a method; choose another name"
                )
            setattr(self, name, field)
        for name, field in vars(self).items():
            if field is not None and field.shape[:1] != ids.shape[:1]:
                raise ValueError(
                    f"the batch's field '{name}' has shape {tuple(field.shape)} and the batch has {len(ids)} rows; "
                    "give it one entry per row"
                )

    def __getattr__(self, name: str) -> Tensor:
        """Only called for a field that is not there."""
        raise AttributeError(f"this batch has no field '{name}'; it has {', '.join(vars(self))}")

    @classmethod
    def of(cls, rows: np.ndarray) -> Self:
        """From rows (B, T + 1) int64 of consecutive ids: all but the last are read, all but the first are targets.

        IGNORED stands where a row has no id: it is no target, and 0 is read instead.
        """
        return cls.from_arrays(rows[:, :-1], rows[:, 1:].copy())

    @classmethod
    def from_arrays(cls, ids: np.ndarray, targets: np.ndarray, documents: np.ndarray | None = None) -> Self:
        """From arrays (B, T) int64 that no one else will write to. Where an id is IGNORED, 0 is read instead."""
        numbers = None if documents is None else torch.from_numpy(documents)
        return cls(torch.from_numpy(np.maximum(ids, 0)), torch.from_numpy(targets), numbers)

    def having(self, **fields: Tensor) -> Self:
        """This batch with some fields added or replaced."""
        return type(self)(**(vars(self) | fields))

    def to(self, device: torch.device) -> Self:
        """The batch on `device`. From pinned memory the copy runs while the CPU goes on."""
        return self._each(lambda name, field: field.to(device, non_blocking=True))

    def pinned(self) -> Self:
        """The batch in pinned memory, which a GPU can read without the CPU."""
        return self._each(lambda name, field: field.pin_memory())

    def parts(self, n: int) -> Iterator[Self]:
        """The rows in n parts of nearly equal size; fewer parts when there are fewer rows."""
        size = max(1, -(-len(self.ids) // n))
        for first in range(0, max(1, len(self.ids)), size):
            yield self.rows(slice(first, first + size))

    def rows(self, which: slice) -> Self:
        """Some of the rows."""
        return self._each(lambda name, field: field[which])

    def cut(self, length: int) -> Self:
        """Every row longer than `length` cut into rows of that length, in order. Pieces without a target are dropped.

        The same tokens are read and predicted, each from at most `length` before it. A stage's own fields are cut like
        the ids where they have one entry per token, (B, T, ...); one entry per row, (B,), goes with each of its pieces.
        Raises ValueError naming a field of any other shape.
        """
        T = self.ids.shape[1]
        if length >= T:
            return self
        kept = (self._pieces("targets", self.targets, length) != IGNORED).any(1)
        return self._each(lambda name, field: self._pieces(name, field, length)[kept])

    def _each(self, change: Callable[[str, Tensor], Tensor]) -> Self:
        """The batch of the changed fields; one that is None stays None."""
        return self.having(**{name: change(name, field) for name, field in vars(self).items() if field is not None})

    def _pieces(self, name: str, field: Tensor, length: int) -> Tensor:
        """One field of B rows as the field of B * ceil(T / length) rows."""
        B, T = self.ids.shape
        n_pieces = -(-T // length)
        if field.ndim == 1:
            return field.repeat_interleave(n_pieces)
        if field.shape[:2] != (B, T):
            raise ValueError(
                f"rows of {T} tokens cannot be cut: the batch's field '{name}' has shape {tuple(field.shape)}, neither "
                f"one entry per row, ({B},), nor per token, ({B}, {T}, ...); train without train.lengths"
            )
        filler = {"targets": IGNORED, "documents": T}.get(name, 0)
        filled = field.new_full((B, n_pieces * length, *field.shape[2:]), filler)
        filled[:, :T] = field
        return filled.view(B * n_pieces, length, *field.shape[2:])


class Batches(Protocol):
    """What a sampler builds: the batch of a step, as a function of its arguments and nothing else."""

    def __call__(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """The rows of batch number `step` that process `rank` of `ranks` reads: a contiguous share. Raises DatasetError."""
        ...


def rows_of(rank: int, ranks: int, n_rows: int) -> slice:
    """The rows of a global batch that process `rank` reads."""
    return slice(rank * n_rows // ranks, (rank + 1) * n_rows // ranks)


def uniform(seed: int, step: int, n: int) -> np.ndarray:
    """(n,) float64 in [0, 1), drawn from (seed, step) alone."""
    key = np.array([seed % 2**64, step], np.uint64)
    return (np.random.Philox(key=key).random_raw(n) >> np.uint64(11)) * 2.0**-53


def sequential(split: Split, context_length: int, batch_size: int, limit: int | None = None) -> Iterator[Batch]:
    """Batches for evaluation: every document is read from its beginning, in rows of at most `context_length` tokens.

    Each token but the first of the split is a target exactly once, in a fixed order; with `limit`, about that many, in rows
    spread evenly over the split. Rows of about the same length share a batch of at most batch_size * context_length
    places, and are padded on the right with targets IGNORED. Raises DatasetError.
    """
    if len(split) < 2:
        raise DatasetError(f"{split.where} has one token, too few to predict any; give more text")
    spans = evaluation_spans(np.asarray(split.documents), context_length, limit)
    lengths = spans[:, 1] - spans[:, 0]
    widths = np.minimum(context_length, -(-lengths // MULTIPLE) * MULTIPLE)
    for width in np.unique(widths).tolist():
        alike, n_rows = spans[widths == width], batch_size * context_length // width
        for first in range(0, len(alike), n_rows):
            some = alike[first : first + n_rows]
            rows = np.full((len(some), width + 1), IGNORED, np.int64)
            for row, (start, stop) in zip(rows, some.tolist()):
                row[: stop - start + 1] = split.tokens[start : stop + 1]
            yield Batch.of(rows)
