"""The KV cache and its relatives: what a model remembers between calls, so that a new token costs one token's work.

    cache = model.make_cache(4, 256)           4 slots, each with room for a text of 256 tokens
    model(ids, cache=cache)                    ids (4, T): row i continues the text in slot i
    model(ids, cache=cache.at([2, 0]))         ids (2, T): the rows continue slots 2 and 0; the other slots stay as they are
    cache.copy(0, 3, length=100)               slot 3 now begins with the first 100 tokens of slot 0
    cache.clear(2)                             slot 2 is as new, and another text may begin there

Memory is allocated once, for all slots, at the first call. So texts may begin and end at any time, and no other text is
copied (vLLM divides slots further, into pages: Kwon et al., 2023). Neighbouring slots are read as a view of that memory;
for any other choice of slots each call copies what it reads.

In a `KVCache` place p of a slot holds the token at position p. In a ragged batch the shorter rows are padded on the right.
Padding lies behind every real token of its row, so no query sees it, and the row's next tokens overwrite it. A layer
that keeps a state instead must leave padding out of it (`Positions.real`).

The cache stores numbers, not graphs: no gradient flows into an earlier call.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from glassformer.model.cache.keys import KVCache
from glassformer.model.cache.state import StateCache
from glassformer.model.cache.window import WindowCache
from glassformer.model.position import Scheme
from glassformer.model.positions import Positions

__all__ = ["Cache", "KVCache", "LayerCache", "StateCache", "WindowCache"]


class LayerCache(Protocol):
    """What `make_cache` of a mixer returns. How a mixer reads and writes it is for the two of them to agree on."""

    def clear(self, slot: int, written: int) -> None:
        """Make the slot as new; `written` places of it have been written to, padding included."""
        ...

    def copy(self, source: int, target: int, length: int) -> None:
        """Make the slot `target`, which is as new, what `source` was after its first `length` tokens."""
        ...

    def remembers(self, written: int) -> bool:
        """Whether a slot with `written` written places still holds each of them, so that a part can be copied."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes allocated, for all slots."""
        ...


class Cache:
    """The memory of a whole model: one LayerCache per block, and how far each slot has read."""

    def __init__(self, layers: list[LayerCache], rows: int, length: int):
        self.layers = layers
        self.length = length
        """The most tokens that a slot can hold."""
        self.lengths = [0] * rows
        """How many tokens each slot holds."""
        self._written = [0] * rows  # the same with padding
        self._slots: Sequence[int] = range(rows)

    def at(self, slots: Sequence[int]) -> "Cache":
        """The same memory, to be passed as `cache=` for a batch whose row i is slots[i]."""
        assert len(set(slots)) == len(slots), f"two rows of a batch cannot share a slot: {list(slots)}"
        assert all(0 <= slot < len(self.lengths) for slot in slots), f"no such slot in {list(slots)}"
        handle = Cache.__new__(Cache)
        vars(handle).update(vars(self), _slots=slots)
        return handle

    @property
    def batch(self) -> int:
        """How many rows a call with this cache must have."""
        return len(self._slots)

    def advance(self, T: int, counts: list[int] | None, scheme: Scheme, device: torch.device) -> Positions:
        """Take T more tokens per row, of which `counts` are real (None: all). Returns where they stand."""
        before = self.take(T, counts)
        real = None if counts is None else torch.tensor(counts, device=device)
        start = before[0] if min(before) == max(before) else before
        return Positions.of(T, start, scheme, device, counts=real, rows=_rows(self._slots, device))

    def take(self, T: int, counts: list[int] | None = None) -> list[int]:
        """Count T more tokens per row, of which `counts` are real (None: all). Returns how many each row held before."""
        before = [self.lengths[slot] for slot in self._slots]
        end = max(before) + T
        assert end <= self.length, f"a cache for {self.length} tokens was asked to hold {end}"
        for slot, n, count in zip(self._slots, before, counts or [T] * len(before), strict=True):
            self.lengths[slot] = n + count
            self._written[slot] = max(self._written[slot], n + T)
        return before

    @torch.inference_mode()  # in which tensors may be written to wherever they were made
    def clear(self, slot: int) -> None:
        """Forget the text in this slot: it is as new."""
        for layer in self.layers:
            layer.clear(slot, self._written[slot])
        self.lengths[slot] = self._written[slot] = 0

    @torch.inference_mode()
    def copy(self, source: int, target: int, length: int | None = None) -> None:
        """Let the slot `target` begin with the first `length` tokens of `source` (None: all of them), and no others.

        Raises ValueError where a layer cannot go back: a recurrent state is that of all tokens read, and a window that
        has moved on has lost its older keys.
        """
        held, written = self.lengths[source], self._written[source]
        length = held if length is None else length
        if length > held:
            raise ValueError(f"slot {source} holds {held} tokens, so its first {length} cannot be shared")
        if length < held and not all(layer.remembers(written) for layer in self.layers):
            raise ValueError(
                f"only all {held} tokens of slot {source} can be shared, not the first {length}: this model has layers "
                "that do not keep every token (a recurrent state or a window); share before reading on"
            )
        assert source != target, f"slot {source} cannot be copied into itself"
        self.clear(target)
        for layer in self.layers:
            layer.copy(source, target, length)
        self.lengths[target], self._written[target] = length, written

    def move(self, source: int, target: int) -> None:
        """Put the text of one slot into another and leave the first as new."""
        self.copy(source, target)
        self.clear(source)

    @property
    def nbytes(self) -> int:
        """Bytes held by all layers."""
        return sum(layer.nbytes for layer in self.layers)


def _rows(slots: Sequence[int], device: torch.device) -> slice | Tensor:
    """See Positions.rows."""
    first, n = slots[0], len(slots)
    neighbours = all(slot == first + i for i, slot in enumerate(slots))
    return slice(first, first + n) if neighbours else torch.tensor(slots, device=device)
