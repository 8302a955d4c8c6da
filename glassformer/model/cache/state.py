"""The cache of a recurrent layer: its state, which stays the same size however much was read."""

import torch
from torch import Tensor

from glassformer.model.positions import Positions


class StateCache:
    """The state of a recurrent layer: a few tensors (rows, ...) whose size does not depend on how much was read.

    A new slot holds zeros. The layer itself leaves padding out of its state (`Positions.real`).
    """

    def __init__(self, rows: int):
        self.rows = rows
        self.tensors: tuple[Tensor, ...] = ()

    def read(self, positions: Positions, batch: int) -> tuple[Tensor, ...] | None:
        """The tensors (B, ...) that were stored for these rows; None before anything was."""
        if not self.tensors:
            return None
        held = tuple(t[positions.slots(batch)] for t in self.tensors)
        if torch.is_grad_enabled():  # the next call writes into the slots, and backward needs them as they are now
            return tuple(t.clone() for t in held)
        return held

    def store(self, positions: Positions, *tensors: Tensor) -> None:
        """Remember these tensors (B, ...) instead of the last ones."""
        if not self.tensors:
            self.tensors = tuple(t.new_zeros(self.rows, *t.shape[1:]) for t in tensors)
        for slots, new in zip(self.tensors, tensors, strict=True):
            slots[positions.slots(new.shape[0])] = new.detach()

    def clear(self, slot: int, written: int) -> None:
        """Zeros, as at the beginning of a text."""
        for t in self.tensors:
            t[slot] = 0

    def copy(self, source: int, target: int, length: int) -> None:
        """See LayerCache."""
        for t in self.tensors:
            t[target] = t[source]

    def remembers(self, written: int) -> bool:
        """Never: a state does not know what it was earlier."""
        return False

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(t.nbytes for t in self.tensors)
