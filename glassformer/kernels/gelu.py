"""Gaussian error linear unit (Hendrycks and Gimpel, 2016), in the tanh form that GPT-2 was trained with.

    y = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))

The exact form multiplies x by the probability that a standard normal variable is below x (`gelu_exact`). This one
approximates the probability.
"""

import math

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from glassformer.kernels._rows import serves


def plain(x: Tensor) -> Tensor:
    """x (...) -> the same shape."""
    return 0.5 * x * (1 + (math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)).tanh())


def fused(x: Tensor) -> Tensor:
    """The twin of `plain`."""
    return Rows.apply(x) if serves(x, dtypes=(torch.bfloat16, torch.float32)) else F.gelu(x, approximate="tanh")


class Rows(torch.autograd.Function):
    """The same in compiled loops (`_rows_cpu.py`), which need one e^x where PyTorch computes a tanh."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        """x (..., C) -> (..., C)."""
        from glassformer.kernels import _rows_cpu as loops

        x = x.contiguous()
        y, ctx.shape = torch.empty_like(x), (-1, x.shape[-1])
        rows = [t.view(ctx.shape) for t in (x, y)]
        loops.in_parallel(loops.gelu, len(rows[0]), *map(loops.array, rows))
        ctx.save_for_backward(x)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor) -> Tensor:
        """dy (..., C) -> the gradient of x."""
        from glassformer.kernels import _rows_cpu as loops

        (x,) = ctx.saved_tensors
        dx = torch.empty_like(x)
        rows = [t.view(ctx.shape) for t in (x, dy.contiguous(), dx)]
        loops.in_parallel(loops.gelu_gradient, len(rows[0]), *map(loops.array, rows))
        return dx
