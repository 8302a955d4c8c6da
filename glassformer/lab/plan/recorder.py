"""Records what runs below autograd: the bytes alive (each storage, from its allocation to its last reference), and the
operators. `trace` runs a training step under it.
"""

import weakref
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from glassformer.lab.plan.operator import MAPPED, Operator, operator


class Peak(NamedTuple):
    """The most bytes alive at once in a phase: in all blocks, in small blocks (the heap), in blocks with their own
    pages."""

    live: float
    small: float
    mapped: float


class Recorder(TorchDispatchMode):
    """Records bytes and operators, phase by phase.

    `chosen` is the share of elements that `nonzero` finds. Fake tensors have no values, so a mixture of experts is
    recorded as if its tokens chose evenly. None: the tensors are real.
    """

    def __init__(self, chosen: float | None) -> None:
        super().__init__()
        self.chosen, self.phase, self.times = chosen, "build", 1
        self.small, self.mapped, self.traffic = 0, 0, 0
        self.peaks: dict[str, Peak] = {}
        self.operators: dict[str, Counter[Operator]] = {}
        self._known: set[int] = set()

    def enter(self, phase: str) -> None:
        """Begin a phase: what is recorded from now on belongs to it."""
        self.phase = phase
        self._look()

    def pieces(self, n: int, size: int) -> Iterator[slice]:
        """`linear_cross_entropy.pieces`, with one slice for all that have the same length: its work counts as often as
        there are such slices. A loss with a large vocabulary has thousands."""
        whole, times = n // max(1, size), self.times
        for slices, length, count in ((slice(0, size), size, whole), (slice(whole * size, n), n - whole * size, 1)):
            if length and count:
                self.times = times * count
                yield slices
        self.times = times

    @property
    def live(self) -> int:
        """Bytes alive now."""
        return self.small + self.mapped

    def _look(self) -> None:
        now = Peak(self.live, self.small, self.mapped)
        self.peaks[self.phase] = Peak(*map(max, now, self.peaks.get(self.phase, now)))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "prim":  # it asks the tensor something and computes nothing
            return func(*args, **(kwargs or {}))
        if func is torch.ops.aten.nonzero.default and self.chosen is not None:
            found = round(args[0].numel() * self.chosen)
            out = torch.empty(found, args[0].ndim, dtype=torch.long)
        else:
            out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._born(tensor.untyped_storage())
        if self.phase != "build":
            self.operators.setdefault(self.phase, Counter())[operator(func, args, kwargs or {}, out)] += self.times
        return out

    def _born(self, storage: Any) -> None:
        key, size = id(storage), storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            weakref.finalize(storage, self._died, key, size)
            self._count(size, size)
            self.traffic += self.times * size if self.phase != "build" and size < MAPPED else 0
            self._look()

    def _died(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._count(size, -size)

    def _count(self, size: int, change: int) -> None:
        if size < MAPPED:
            self.small += change
        else:
            self.mapped += change
