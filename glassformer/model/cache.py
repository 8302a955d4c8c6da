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

from glassformer.model.position import Scheme
from glassformer.model.positions import Positions


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
        slots[row_numbers(rows, new)[:, None], :, positions.index] = new.transpose(1, 2)


def row_numbers(rows: slice | Tensor, like: Tensor) -> Tensor:
    """The slots as numbers (B,), where they may be a slice."""
    return torch.arange(rows.start, rows.stop, device=like.device) if isinstance(rows, slice) else rows


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
        before = [self.lengths[slot] for slot in self._slots]
        end = max(before) + T
        assert end <= self.length, f"a cache for {self.length} tokens was asked to hold {end}"
        for slot, n, count in zip(self._slots, before, counts or [T] * len(before), strict=True):
            self.lengths[slot] = n + count
            self._written[slot] = max(self._written[slot], n + T)
        real = None if counts is None else torch.tensor(counts, device=device)
        start = before[0] if min(before) == max(before) else before
        return Positions.of(T, start, scheme, device, counts=real, rows=_rows(self._slots, device))

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
