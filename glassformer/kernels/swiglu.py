"""SwiGLU, the gated unit of Llama and most models since (Shazeer, 2020, eq. 6).

    y = silu(gate) * up

One projection of the input opens or closes the other, number by number.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from glassformer.kernels import silu
from glassformer.kernels._rows import serves


def plain(gate: Tensor, up: Tensor, *, silu: Callable[..., Tensor] = silu.plain) -> Tensor:
    """gate (...), up (...) -> the same shape."""
    return silu(gate) * up


def fused(gate: Tensor, up: Tensor) -> Tensor:
    """The twin of `plain`."""
    return Rows.apply(gate, up) if serves(gate, up) and gate.shape == up.shape else F.silu(gate) * up


class Rows(torch.autograd.Function):
    """The same in compiled loops (`_rows_cpu.py`), in one pass over memory."""

    @staticmethod
    def forward(ctx, gate: Tensor, up: Tensor) -> Tensor:
        """gate (..., C), up (..., C) -> (..., C)."""
        from glassformer.kernels import _rows_cpu as loops

        gate, up = gate.contiguous(), up.contiguous()
        y, ctx.shape = torch.empty_like(gate), (-1, gate.shape[-1])
        rows = [t.view(ctx.shape) for t in (gate, up, y)]
        loops.in_parallel(loops.swiglu, len(rows[0]), *map(loops.array, rows))
        ctx.save_for_backward(gate, up)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor) -> tuple[Tensor, Tensor]:
        """dy (..., C) -> the gradients of gate and up."""
        from glassformer.kernels import _rows_cpu as loops

        gate, up = ctx.saved_tensors
        dgate, dup = torch.empty_like(gate), torch.empty_like(up)
        rows = [t.view(ctx.shape) for t in (gate, up, dy.contiguous(), dgate, dup)]
        loops.in_parallel(loops.swiglu_gradient, len(rows[0]), *map(loops.array, rows))
        return dgate, dup
