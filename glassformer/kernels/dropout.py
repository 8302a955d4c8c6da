"""Dropout (Srivastava et al., 2014), in the inverted form.

    y = x * keep / (1 - p),   keep ~ Bernoulli(1 - p), drawn for each number

Dividing by 1 - p keeps the mean of x, so evaluation uses x as it is, without dropout and without a correction.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def plain(x: Tensor, p: float) -> Tensor:
    """x (...), p in [0, 1] the probability of zeroing -> the same shape. Draws from torch's global generator."""
    if p == 0:
        return x
    keep = torch.empty_like(x).bernoulli_(1 - p)
    return x * keep / (1 - p) if p < 1 else x * keep


def fused(x: Tensor, p: float) -> Tensor:
    """The twin of `plain`."""
    return F.dropout(x, p) if p else x
