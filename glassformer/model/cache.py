"""What a model remembers between calls, so that a new token costs one token's work.

Slot s of a row holds the token at position s. In a ragged batch the shorter prompts are padded on the right: a pad lies
after every real token of its row, so no query sees it, and the row's next token overwrites it. That is the whole of
ragged batching; no mask for padding exists.
"""

from typing import Protocol

import torch
from torch import Tensor

from glassformer.model.position import Positions, Scheme


class LayerCache(Protocol):
    """What `make_cache` of a mixer returns. How it is written to is between the mixer and its cache."""

    def select(self, rows: Tensor) -> None:
        """Keep only these rows (int64 indices), in this order."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        ...


class KVCache:
    """Keys and values of one attention layer, (B, G, length, D) each, allocated at the first append."""

    def __init__(self, length: int):
        self.length = length
        self.k: Tensor | None = None
        self.v: Tensor | None = None

    def append(self, k: Tensor, v: Tensor, positions: Positions) -> tuple[Tensor, Tensor]:
        """Write k, v (B, G, T, D) at their positions; returns all slots in use, (B, G, S, D) each."""
        if self.k is None or self.v is None:
            self.k, self.v = (t.new_zeros(t.shape[0], t.shape[1], self.length, t.shape[3]) for t in (k, v))
        if positions.start is not None:
            self.k[:, :, positions.start : positions.end] = k
            self.v[:, :, positions.start : positions.end] = v
        else:
            rows = torch.arange(k.shape[0], device=k.device)[:, None]
            self.k[rows, :, positions.index] = k.transpose(1, 2)
            self.v[rows, :, positions.index] = v.transpose(1, 2)
        return self.k[:, :, : positions.end], self.v[:, :, : positions.end]

    def select(self, rows: Tensor) -> None:
        """Keep only these rows."""
        if self.k is not None and self.v is not None:
            self.k, self.v = self.k[rows], self.v[rows]

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values."""
        return 0 if self.k is None else 2 * self.k.nbytes


class StateCache:
    """What a recurrent layer remembers: a few tensors (B, ...) whose size does not depend on how much was read.

    The layer itself leaves padding out of them (`Positions.real`). No gradient flows into the call before.
    """

    def __init__(self):
        self.tensors: tuple[Tensor, ...] | None = None

    def store(self, *tensors: Tensor) -> None:
        """Remember these instead of the last ones."""
        self.tensors = tuple(t.detach() for t in tensors)

    def select(self, rows: Tensor) -> None:
        """Keep only these rows."""
        if self.tensors is not None:
            self.tensors = tuple(t[rows] for t in self.tensors)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(t.nbytes for t in self.tensors or ())


class Cache:
    """The memory of a whole model: one LayerCache per block, and how far each row has read."""

    def __init__(self, layers: list[LayerCache], batch: int, length: int):
        self.layers = layers
        self.length = length
        self.lengths = [0] * batch

    def advance(self, T: int, counts: list[int] | None, scheme: Scheme, device: torch.device) -> Positions:
        """Take T more tokens per row, of which `counts` are real (None: all). Returns where they stand."""
        before = self.lengths
        end = max(before) + T
        assert end <= self.length, f"a cache for {self.length} tokens was asked to hold {end}"
        self.lengths = [n + c for n, c in zip(before, counts or [T] * len(before), strict=True)]
        steps = torch.arange(T, device=device)
        real = None if counts is None else torch.tensor(counts, device=device)
        if min(before) == max(before):
            return Positions(steps + before[0], before[0], end, scheme, counts=real)
        return Positions(torch.tensor(before, device=device)[:, None] + steps, None, end, scheme, counts=real)

    def select(self, rows: list[int]) -> None:
        """Keep only these rows, in this order."""
        self.lengths = [self.lengths[r] for r in rows]
        for layer in self.layers:
            layer.select(torch.tensor(rows))

    @property
    def nbytes(self) -> int:
        """Bytes held by all layers."""
        return sum(layer.nbytes for layer in self.layers)
