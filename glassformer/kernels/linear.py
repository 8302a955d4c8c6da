"""Linear projection.

    y = x W^T + b                      W: (M, N), b: (M,) or None

The weight is stored output-first, as in PyTorch and in published checkpoints: row m of W computes output m.
"""

from torch import Tensor
from torch.nn import functional as F


def plain(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (..., N), weight (M, N), bias (M,) -> (..., M)."""
    y = x @ weight.T
    return y if bias is None else y + bias


def fused(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The twin of `plain`."""
    return F.linear(x, weight, bias)
