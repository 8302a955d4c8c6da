"""Layer normalisation (Ba, Kiros and Hinton, 2016, eq. 4).

    y = (x - mean) / sqrt(var + eps) * weight + bias

The mean and the (biased) variance are taken over the last dimension, so each token is normalised by itself.
"""

from torch import Tensor
from torch.nn import functional as F


def plain(x: Tensor, weight: Tensor, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """x (..., C), weight (C,), bias (C,) or None -> (..., C)."""
    centred = x - x.mean(-1, keepdim=True)
    variance = (centred * centred).mean(-1, keepdim=True)
    y = centred / (variance + eps).sqrt() * weight
    return y if bias is None else y + bias


def fused(x: Tensor, weight: Tensor, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """The twin of `plain`."""
    return F.layer_norm(x, x.shape[-1:], weight, bias, eps)
