"""Positions: where the tokens of one call stand. GPT makes one per call, and every mixer receives it.

A position scheme (`position/`) says how a model learns the order of its tokens; `Positions` says which places the tokens
of this call have, and applies the scheme to them. One line is enough to call a mixer or a block by itself:

>>> layer(torch.randn(2, 9, 32), Positions.of(9))
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from glassformer.kernels.attention import Bias
from glassformer.kernels.documents import places
from glassformer.model.position import Scheme


@dataclass(frozen=True)
class Positions:
    """The place of each token, and what a mixer must know about it."""

    index: Tensor
    """(T,) int64 when all rows are at the same place; (B, T) in a ragged batch. It rises by one from token to token."""
    scheme: Scheme = field(default_factory=Scheme)
    """How the model learns the order of tokens. The default does nothing: no rotation and no bias."""
    documents: Tensor | None = None
    """(B, T) int64 where rows hold several documents: the number of each token's, never falling along a row. No token
    may learn anything of another document. The index counts places of the row all the same: distances are right. Where
    keys of other tokens stand before those of this call (parallel/context.py), (B, S): the last T are of this call."""
    counts: Tensor | None = None
    """(B,) int64 where rows are padded on the right: how many tokens of this call are real. None: all of them."""
    rows: slice | Tensor | None = None
    """Which slot of the cache each row of the call reads and writes: a slice, or (B,) int64. None: slots 0 to B - 1."""
    bounds: tuple[int, int] | None = None
    """The smallest index and one more than the largest, as Python numbers. Read from `index` if they are not given,
    which makes a GPU wait; `of` knows them."""

    prepared: Tensor = field(init=False)
    """Scheme.prepare(index), which all layers of the call share."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "prepared", self.scheme.prepare(self.index))
        if self.bounds is None:
            low, high = self.index.aminmax()
            object.__setattr__(self, "bounds", (int(low), int(high) + 1))

    @classmethod
    def of(
        cls,
        T: int,
        start: int | Sequence[int] = 0,
        scheme: Scheme | None = None,
        device: torch.device | str | None = None,
        documents: Tensor | None = None,
        counts: Tensor | None = None,
        rows: slice | Tensor | None = None,
    ) -> "Positions":
        """T tokens per row from `start` on: one number for all rows, or one for each row (a ragged batch).

        >>> Positions.of(3, start=5).index, Positions.of(2, start=[4, 0]).index
        (tensor([5, 6, 7]), tensor([[4, 5], [0, 1]]))
        """
        if isinstance(start, int):
            index, bounds = torch.arange(start, start + T, device=device), (start, start + T)
        else:
            index = torch.tensor(start, device=device)[:, None] + torch.arange(T, device=device)
            bounds = (min(start), max(start) + T)
        return cls(index, Scheme() if scheme is None else scheme, documents, counts, rows, bounds)

    @property
    def start(self) -> int | None:
        """index[0] as a Python number; None in a ragged batch."""
        assert self.bounds is not None
        return self.bounds[0] if self.index.ndim == 1 else None

    @property
    def end(self) -> int:
        """One more than the largest index: a cache holds this many tokens after the call."""
        assert self.bounds is not None
        return self.bounds[1]

    def slots(self, batch: int) -> slice | Tensor:
        """`rows` for a call with so many rows."""
        return slice(0, batch) if self.rows is None else self.rows

    @property
    def real(self) -> Tensor | None:
        """(B, T) booleans, false for padding; None where there is none."""
        if self.counts is None:
            return None
        return torch.arange(self.index.shape[-1], device=self.index.device) < self.counts[:, None]

    @property
    def places(self) -> Tensor:
        """How many tokens of its text stand before each token: the index, or (B, T) where rows hold several documents."""
        return self.index if self.documents is None else places(self.documents)[:, -self.index.shape[-1] :]

    def rotate(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """See Scheme.rotate."""
        return self.scheme.rotate(q, k, self.prepared)

    def rotate_for_softmax(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """See Scheme.rotate_for_softmax."""
        return self.scheme.rotate_for_softmax(q, k, self.prepared)

    @property
    def queries(self) -> Tensor:
        """The index with a dimension for the keys: (T, 1), or (B, 1, T, 1) in a ragged batch."""
        return self.index[:, None] if self.index.ndim == 1 else self.index[:, None, :, None]

    def visible(self, k_index: Tensor, rule: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """`rule(q_index, k_index)` and the same document: booleans, broadcastable to (B, H, T, S).

        k_index (S,), or (B, S) where rows hold different keys. With packed documents the rule gets the places within
        the document, so that it cannot know what stands before it.
        """
        if self.documents is not None:
            place, documents, T = places(self.documents), self.documents, self.index.shape[-1]
            same = documents[:, None, -T:, None] == documents[:, None, None, :]
            return same & rule(place[:, None, -T:, None], place[:, None, None, :])
        return rule(self.queries, k_index if k_index.ndim == 1 else k_index[:, None, None, :])

    def bias(self, k_index: Tensor) -> Tensor | None:
        """See Scheme.bias; k_index (S,), or (B, S) where rows hold different keys."""
        return self.scheme.bias(self.index, k_index)

    def bias_from(self, first: int) -> Bias:
        """Scheme.bias for a kernel that asks for it piece by piece and counts from the key at index `first`."""
        return lambda q_index, k_index: self.scheme.bias(q_index + first, k_index + first)
