"""Rectified linear unit (Nair and Hinton, 2010).

    y = max(x, 0)

The simplest nonlinearity: negative numbers become 0.
"""

from torch import Tensor
from torch.nn import functional as F


def plain(x: Tensor) -> Tensor:
    """x (...) -> the same shape. The gradient at exactly 0 is 0."""
    return x.masked_fill(x <= 0, 0)


def fused(x: Tensor) -> Tensor:
    """The twin of `plain`."""
    return F.relu(x)
