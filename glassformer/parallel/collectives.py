"""Six operations with which the processes of a group exchange tensors, and their gradients.

Each forward pass has its counterpart in the backward pass (Shoeybi et al., 2019, "Megatron-LM", figure 3, where `entered`
is called f and `summed` g; Korthikanti et al., 2022, section 4.2, for the two beside them):

                    forward           backward          a tensor before -> after
    entered         nothing           sum               equal on all processes -> each computes another part with it
    summed          sum               nothing           a part of a sum -> equal on all processes
    gathered        gather            sum and cut       one's own tokens -> all tokens; each computes another part with them
    scattered       sum and cut       gather            a part of a sum, of all tokens -> one's own tokens
    whole           gather            cut               one's own tokens -> all tokens; all processes compute the same
    own             cut               gather            equal on all processes -> one's own tokens

All processes of a group must call the same operations in the same order. n processes send, each: sum 2 (n - 1)/n of the
tensor's bytes, gather and "sum and cut" (n - 1)/n of those of the whole tensor (the ring algorithm).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed import ProcessGroup


def entered(x: Tensor, group: ProcessGroup) -> Tensor:
    """x, whose gradient is summed over the group."""
    return _Pair.apply(x, lambda t: t, lambda g: _sum(g, group))


def summed(x: Tensor, group: ProcessGroup) -> Tensor:
    """The sum of x over the group; the gradient passes as it is."""
    return _Pair.apply(x, lambda t: _sum(t, group), lambda g: g)


def gathered(x: Tensor, dim: int, group: ProcessGroup) -> Tensor:
    """The x of all processes, one after another along `dim`; gradients are summed, and each process gets its part."""
    return _Pair.apply(x, lambda t: _gather(t, dim, group), lambda g: _sum_and_cut(g, dim, group))


def scattered(x: Tensor, dim: int, group: ProcessGroup) -> Tensor:
    """This process's part along `dim` of the sum of x over the group; gradients are gathered."""
    return _Pair.apply(x, lambda t: _sum_and_cut(t, dim, group), lambda g: _gather(g, dim, group))


def whole(x: Tensor, dim: int, group: ProcessGroup) -> Tensor:
    """The x of all processes along `dim`; of the gradient, which is equal everywhere, each process takes its part."""
    return _Pair.apply(x, lambda t: _gather(t, dim, group), lambda g: _cut(g, dim, group))


def own(x: Tensor, dim: int, group: ProcessGroup) -> Tensor:
    """This process's part along `dim` of x, which is equal everywhere; gradients are gathered."""
    return _Pair.apply(x, lambda t: _cut(t, dim, group), lambda g: _gather(g, dim, group))


class _Pair(torch.autograd.Function):
    """A forward pass and the backward pass that belongs to it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, there: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.back = back
        y = there(x)
        return y.view_as(y) if y is x else y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        return ctx.back(gradient), None, None


def _sum(x: Tensor, group: ProcessGroup) -> Tensor:
    total = x.contiguous().clone()
    distributed.all_reduce(total, group=group)
    return total


def _gather(x: Tensor, dim: int, group: ProcessGroup) -> Tensor:
    """One after another along `dim`: gathered along the first dimension, then put in place."""
    n = distributed.get_world_size(group)
    x = x.contiguous()
    parts = x.new_empty(n * x.shape[0], *x.shape[1:])
    distributed.all_gather_into_tensor(parts, x, group=group)
    return parts if dim % x.ndim == 0 else torch.cat(parts.chunk(n), dim)


def _sum_and_cut(x: Tensor, dim: int, group: ProcessGroup) -> Tensor:
    n = distributed.get_world_size(group)
    parts = x.contiguous() if dim % x.ndim == 0 else torch.cat(x.chunk(n, dim))
    out = parts.new_empty(parts.shape[0] // n, *parts.shape[1:])
    distributed.reduce_scatter_tensor(out, parts, group=group)
    return out


def _cut(x: Tensor, dim: int, group: ProcessGroup) -> Tensor:
    return x.chunk(distributed.get_world_size(group), dim)[distributed.get_rank(group)].contiguous()
