"""What a model remembers between calls, so that a new token costs one token's work.

In a `KVCache` slot s of a row holds the token at position s. In a ragged batch the shorter prompts are padded on the
right: a pad lies after every real token of its row, so no query sees it, and the row's next token overwrites it. That is
the whole of ragged batching for attention; a layer that keeps a sum instead leaves pads out of it (`Positions.real`).

What is remembered is numbers: no gradient flows into an earlier call.
"""

from typing import Protocol

import torch
from torch import Tensor

from glassformer.model.position import Scheme
from glassformer.model.positions import Positions


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
        _put(self.k, k.detach(), positions)
        _put(self.v, v.detach(), positions)
        held = self.k[:, :, : positions.end], self.v[:, :, : positions.end]
        if not k.requires_grad:
            return held
        keys, values = (t.clone() for t in held)  # the next call writes into what is held; a gradient asks for it as it was
        _put(keys, k, positions)
        _put(values, v, positions)
        return keys, values

    def select(self, rows: Tensor) -> None:
        """Keep only these rows."""
        if self.k is not None and self.v is not None:
            self.k, self.v = self.k[rows], self.v[rows]

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values."""
        return 0 if self.k is None else 2 * self.k.nbytes


def _put(slots: Tensor, new: Tensor, positions: Positions) -> None:
    """Write new (B, G, T, D) at its positions of slots (B, G, length, D)."""
    if positions.start is not None:
        slots[:, :, positions.start : positions.end] = new
    else:
        rows = torch.arange(new.shape[0], device=new.device)[:, None]
        slots[rows, :, positions.index] = new.transpose(1, 2)


class WindowCache:
    """The last `window` keys and values of each row, and the first `pinned` ones: memory that does not grow.

    Position p < pinned lies in slot p, any other in slot pinned + (p - pinned) mod window, over the one that is `window`
    steps older. A mask by position is all that a reader needs: `append` says which position each key has.
    """

    def __init__(self, length: int, window: int, pinned: int = 0):
        self.pinned = min(pinned, length - 1)
        self.window = min(window, length - self.pinned)
        self.k: Tensor | None = None
        self.v: Tensor | None = None

    def append(self, k: Tensor, v: Tensor, positions: Positions) -> tuple[Tensor, Tensor, Tensor]:
        """Take k, v (B, G, T, D); returns the keys and values that these T queries may need, and their positions.

        (B, G, S, D) twice, and (S,) or in a ragged batch (B, S), where -1 is a slot with nothing in it. For T > 1 in
        rows that stand together the positions rise by one from the first unpinned on.
        """
        if self.k is None or self.v is None:
            shape = (*k.shape[:2], self.pinned + self.window, k.shape[3])
            self.k, self.v = k.new_zeros(shape), v.new_zeros(shape)
        T, index = k.shape[2], positions.index
        if T == 1 and not k.requires_grad:
            return self._append_one(k, v, positions)
        before = index[..., 0]
        if positions.start is None:
            k_index = torch.cat([self._held(before), index], 1)  # (B, S)
            keys, values = torch.cat([self.k, k], 2), torch.cat([self.v, v], 2)
        else:
            held = torch.arange(positions.start, device=k.device)
            held = torch.cat([held[: self.pinned], held[self.pinned :][-self.window :]])
            slots = self._slot(held)
            k_index = torch.cat([held, index])
            keys, values = torch.cat([self.k[:, :, slots], k], 2), torch.cat([self.v[:, :, slots], v], 2)
        self._keep(k, v, before, before + (T if positions.counts is None else positions.counts))
        return keys, values, k_index

    def _append_one(self, k: Tensor, v: Tensor, positions: Positions) -> tuple[Tensor, Tensor, Tensor]:
        """One token per row, a pad perhaps: it lies over a key that no later query sees, so nothing is copied."""
        assert self.k is not None and self.v is not None
        slot = self._slot(positions.index)  # (1,) or (B, 1)
        held = self._held(positions.index[..., 0] + 1)
        if positions.start is not None:
            self.k[:, :, slot], self.v[:, :, slot] = k, v
            filled = min(positions.end, self.k.shape[2])
            return self.k[:, :, :filled], self.v[:, :, :filled], held[:filled]
        rows = torch.arange(k.shape[0], device=k.device)[:, None]
        self.k[rows, :, slot], self.v[rows, :, slot] = k.transpose(1, 2), v.transpose(1, 2)
        return self.k, self.v, held

    def _slot(self, position: Tensor) -> Tensor:
        ring = self.pinned + (position - self.pinned) % self.window
        return torch.where(position < self.pinned, position, ring)

    def _held(self, n: Tensor) -> Tensor:
        """n (...) tokens read -> (..., slots): the position that lies in each slot, -1 for none."""
        last, slot = n[..., None] - 1, torch.arange(self.pinned + self.window, device=n.device)
        ring = last - (last - slot) % self.window
        ring = torch.where(ring < self.pinned, -1, ring)
        first = torch.where(slot <= last, slot, -1)
        return torch.where(slot < self.pinned, first, ring)

    def _keep(self, k: Tensor, v: Tensor, before: Tensor, after: Tensor) -> None:
        """Fill every slot with what lies in it `after` so many tokens, from itself or from the new k and v."""
        assert self.k is not None and self.v is not None
        held, slots = self._held(after), self.k.shape[2]
        before = before[..., None]
        source = torch.where(held >= before, slots + held - before, torch.arange(slots, device=k.device))
        index = source.expand(k.shape[0], -1)[:, None, :, None].expand(-1, k.shape[1], -1, k.shape[3])
        self.k = torch.cat([self.k, k.detach()], 2).gather(2, index)
        self.v = torch.cat([self.v, v.detach()], 2).gather(2, index)

    def select(self, rows: Tensor) -> None:
        """Keep only these rows."""
        if self.k is not None and self.v is not None:
            self.k, self.v = self.k[rows], self.v[rows]

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values."""
        return 0 if self.k is None or self.v is None else self.k.nbytes + self.v.nbytes


class StateCache:
    """What a recurrent layer remembers: a few tensors (B, ...) whose size does not depend on how much was read.

    The layer itself leaves padding out of them (`Positions.real`).
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
        real = None if counts is None else torch.tensor(counts, device=device)
        start = before[0] if min(before) == max(before) else before
        return Positions.of(T, start, scheme, device, counts=real)

    def select(self, rows: list[int]) -> None:
        """Keep only these rows, in this order."""
        self.lengths = [self.lengths[r] for r in rows]
        kept = torch.tensor(rows, dtype=torch.long)
        for layer in self.layers:
            layer.select(kept)

    @property
    def nbytes(self) -> int:
        """Bytes held by all layers."""
        return sum(layer.nbytes for layer in self.layers)
