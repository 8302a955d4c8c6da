"""Sigmoid linear unit, also called swish (Hendrycks and Gimpel, 2016; Ramachandran, Zoph and Le, 2017).

    y = x * sigmoid(x) = x / (1 + exp(-x))

Smooth like GELU and cheaper: x passes where it is large, and almost nothing passes where it is very negative.
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from glassformer.kernels import sigmoid


def plain(x: Tensor, *, sigmoid: Callable[..., Tensor] = sigmoid.plain) -> Tensor:
    """x (...) -> the same shape."""
    return x * sigmoid(x)


def fused(x: Tensor) -> Tensor:
    """The twin of `plain`."""
    return F.silu(x)
