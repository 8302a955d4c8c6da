"""The KV cache of one attention layer: every key and value at its own place."""

import torch
from torch import Tensor

from glassformer.model.positions import Positions


class Keys:
    """Keys and values of all slots, (rows, G, places, D) each, allocated when their shape and dtype are first known."""

    def __init__(self, rows: int, places: int):
        self.rows, self.places = rows, places
        self.k: Tensor | None = None
        self.v: Tensor | None = None

    def allocated(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """The memory for keys and values like these (B, G, T, D)."""
        if self.k is None or self.v is None:
            self.k, self.v = (t.new_zeros(self.rows, t.shape[1], self.places, t.shape[3]) for t in (k, v))
        return self.k, self.v

    def clear(self, slot: int, written: int) -> None:
        """Zeros: a masked weight is 0, but 0 times a value that is not finite would be NaN."""
        for t in (self.k, self.v):
            if t is not None:
                t[slot, :, :written] = 0

    def copy(self, source: int, target: int, length: int) -> None:
        """See LayerCache."""
        for t in (self.k, self.v):
            if t is not None:
                t[target, :, :length] = t[source, :, :length]

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values."""
        return 0 if self.k is None or self.v is None else self.k.nbytes + self.v.nbytes


class KVCache(Keys):
    """Keys and values of one attention layer, for `rows` texts of at most `length` tokens."""

    def __init__(self, rows: int, length: int):
        super().__init__(rows, length)

    def append(self, k: Tensor, v: Tensor, positions: Positions) -> tuple[Tensor, Tensor]:
        """Write k, v (B, G, T, D) at their positions; returns the keys and values of these rows, (B, G, S, D) each.

        S is `positions.end`. Without gradients these are views, valid until the next call.
        """
        rows, (all_k, all_v) = positions.slots(k.shape[0]), self.allocated(k, v)
        _put(all_k, k.detach(), positions, rows)
        _put(all_v, v.detach(), positions, rows)
        keys, values = all_k[rows, :, : positions.end], all_v[rows, :, : positions.end]
        if torch.is_grad_enabled():  # the next call writes into the slots, and backward needs them as they are now
            keys, values = keys.clone(), values.clone()
            _put(keys, k, positions, slice(0, k.shape[0]))
            _put(values, v, positions, slice(0, k.shape[0]))
        return keys, values

    def remembers(self, written: int) -> bool:
        """Always: nothing is overwritten."""
        return True


def _put(slots: Tensor, new: Tensor, positions: Positions, rows: slice | Tensor) -> None:
    """Write new (B, G, T, D) at its positions of these rows of slots (rows, G, places, D)."""
    if positions.start is not None:
        slots[rows, :, positions.start : positions.end] = new
    else:
        slots[numbers(rows, new)[:, None], :, positions.index] = new.transpose(1, 2)


def numbers(rows: slice | Tensor, like: Tensor) -> Tensor:
    """(B,) int64 of a slice or of what it could have been."""
    return torch.arange(rows.start, rows.stop, device=like.device) if isinstance(rows, slice) else rows
