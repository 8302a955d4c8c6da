"""Squared ReLU (So et al., 2021, "Primer").

    y = max(x, 0)^2

The bend of a ReLU with a growing slope: cheap, and at the same cost a little better than GELU on language.
"""

from torch import Tensor
from torch.nn import functional as F


def plain(x: Tensor) -> Tensor:
    """x (...) -> the same shape."""
    return x.masked_fill(x <= 0, 0) ** 2


def fused(x: Tensor) -> Tensor:
    """The twin of `plain`."""
    return F.relu(x).square()
