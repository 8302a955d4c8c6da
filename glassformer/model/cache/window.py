"""The cache of a layer that looks back a limited way: it keeps a window of keys and values, and never grows."""

import torch
from torch import Tensor

from glassformer.model.cache.keys import Keys, numbers
from glassformer.model.positions import Positions


class WindowCache(Keys):
    """The last `window` keys and values of each row, and the first `pinned` ones: memory that does not grow.

    Position p < pinned lies in place p, any other in place pinned + (p - pinned) mod window, over the one that is `window`
    steps older. `append` says which position each key has, so that a reader can hide keys by their position.
    """

    def __init__(self, rows: int, length: int, window: int, pinned: int = 0):
        self.pinned = min(pinned, length - 1)
        self.window = min(window, length - self.pinned)
        super().__init__(rows, self.pinned + self.window)

    def append(self, k: Tensor, v: Tensor, positions: Positions) -> tuple[Tensor, Tensor, Tensor]:
        """Take k, v (B, G, T, D); returns the keys and values that these T queries may need, and their positions.

        (B, G, S, D) twice, and (S,) or in a ragged batch (B, S), where -1 means an empty place. For T > 1 in rows that
        are at the same place the positions rise by one from the first unpinned on.
        """
        rows, T = positions.slots(k.shape[0]), k.shape[2]
        if T == 1 and not torch.is_grad_enabled():
            return self._append_one(k, v, positions, rows)
        all_k, all_v = self.allocated(k, v)
        old_k, old_v, index = all_k[rows], all_v[rows], positions.index
        before = index[..., 0]
        if positions.start is None:
            k_index = torch.cat([self._held(before), index], 1)  # (B, S)
            keys, values = torch.cat([old_k, k], 2), torch.cat([old_v, v], 2)
        else:
            held = torch.arange(positions.start, device=k.device)
            held = torch.cat([held[: self.pinned], held[self.pinned :][-self.window :]])
            places = self._place(held)
            k_index = torch.cat([held, index])
            keys, values = torch.cat([old_k[:, :, places], k], 2), torch.cat([old_v[:, :, places], v], 2)
        after = before + (T if positions.counts is None else positions.counts)
        all_k[rows], all_v[rows] = self._kept(old_k, k, before, after), self._kept(old_v, v, before, after)
        return keys, values, k_index

    def _append_one(
        self, k: Tensor, v: Tensor, positions: Positions, rows: slice | Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One token per row, a pad perhaps: it lies over a key that no later query sees, so nothing is copied."""
        all_k, all_v = self.allocated(k, v)
        held = self._held(positions.index[..., 0] + 1)
        if (p := positions.start) is not None:
            place = p if p < self.pinned else self.pinned + (p - self.pinned) % self.window
            all_k[rows, :, place : place + 1], all_v[rows, :, place : place + 1] = k, v
            filled = min(positions.end, self.places)
            return all_k[rows, :, :filled], all_v[rows, :, :filled], held[:filled]
        row, place = numbers(rows, k)[:, None], self._place(positions.index)  # (B, 1) each
        all_k[row, :, place], all_v[row, :, place] = k.transpose(1, 2), v.transpose(1, 2)
        return all_k[rows], all_v[rows], held

    def _place(self, position: Tensor) -> Tensor:
        ring = self.pinned + (position - self.pinned) % self.window
        return torch.where(position < self.pinned, position, ring)

    def _held(self, n: Tensor) -> Tensor:
        """n (...) tokens read -> (..., places): the position that lies in each place, -1 for none."""
        last, place = n[..., None] - 1, torch.arange(self.places, device=n.device)
        ring = last - (last - place) % self.window
        ring = torch.where(ring < self.pinned, -1, ring)
        first = torch.where(place <= last, place, -1)
        return torch.where(place < self.pinned, first, ring)

    def _kept(self, old: Tensor, new: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """(B, G, places, D): what lies in each place `after` so many tokens, taken from the old or from the new."""
        held, before = self._held(after), before[..., None]
        source = torch.where(held >= before, self.places + held - before, torch.arange(self.places, device=old.device))
        index = source.expand(old.shape[0], -1)[:, None, :, None].expand(-1, old.shape[1], -1, old.shape[3])
        return torch.cat([old, new.detach()], 2).gather(2, index)

    def remembers(self, written: int) -> bool:
        """Until the window comes round to its first place."""
        return written <= self.places
