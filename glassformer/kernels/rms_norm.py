"""Root-mean-square normalisation (Zhang and Sennrich, 2019, eq. 4).

    y = x / sqrt(mean(x^2) + eps) * weight

It is layer normalisation without subtracting the mean and without a bias: only the length of x is normalised.
"""

from torch import Tensor
from torch.nn import functional as F


def plain(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    """x (..., C), weight (C,) -> (..., C)."""
    return x / ((x * x).mean(-1, keepdim=True) + eps).sqrt() * weight


def fused(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    """The twin of `plain`. The weight is converted to the dtype of x, because the kernel does not take two dtypes."""
    return F.rms_norm(x, x.shape[-1:], weight.to(x.dtype), eps)
