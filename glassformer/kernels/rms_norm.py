"""Root-mean-square normalisation (Zhang and Sennrich, 2019, eq. 4).

    y = x / sqrt(mean(x^2) + eps) * weight

It is layer normalisation without subtracting the mean and without a bias: only the length of x is normalised.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from glassformer.kernels._rows import serves


def plain(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    """x (..., C), weight (C,) -> (..., C)."""
    return x / ((x * x).mean(-1, keepdim=True) + eps).sqrt() * weight


def fused(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    """The twin of `plain`. The weight is converted to the dtype of x, because the kernel does not take two dtypes."""
    if serves(x, dtypes=(torch.float32, torch.bfloat16)):
        return Rows.apply(x, weight, eps)
    return F.rms_norm(x, x.shape[-1:], weight.to(x.dtype), eps)


class Rows(torch.autograd.Function):
    """The same in compiled loops (`_rows_cpu.py`). PyTorch has no kernel for it on a CPU, and takes seven passes."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        """x (..., C), weight (C,) -> (..., C)."""
        from glassformer.kernels import _rows_cpu as loops

        rows = x.contiguous().view(-1, x.shape[-1])
        y, scale = torch.empty_like(rows), rows.new_empty(len(rows), dtype=torch.float32)
        x_, weight_, *out = map(loops.array, (rows, weight.float(), y, scale))
        loops.in_parallel(loops.rms_norm, len(rows), x_, weight_, eps, *out)
        ctx.save_for_backward(rows, weight, scale)
        return y.view(x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor) -> tuple[Tensor, Tensor, None]:
        """dy (..., C) -> the gradients of x and weight."""
        from glassformer.kernels import _rows_cpu as loops

        rows, weight, scale = ctx.saved_tensors
        n = -(-len(rows) // loops.BLOCK)
        dx, dweight = torch.empty_like(rows), torch.zeros(n, len(weight))
        arrays = map(loops.array, (rows, weight.float(), scale, dy.contiguous().view_as(rows), dx, dweight))
        loops.in_parallel(loops.rms_norm_gradient, n, *arrays)
        return dx.view(dy.shape), dweight.sum(0).to(weight.dtype), None
