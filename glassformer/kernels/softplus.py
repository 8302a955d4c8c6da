"""Softplus (Dugas et al., 2001): any number becomes a positive one.

    y = log(1 + exp(x))

A ReLU with a round corner: close to 0 for very negative x, close to x for large x. Its slope is the sigmoid. Mamba and
gated DeltaNet make their step sizes with it.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

LINEAR = 40.0
"""Beyond this x the fused kernel returns x itself, which is then right to the last digit of float64."""


def plain(x: Tensor) -> Tensor:
    """x (...) -> the same shape."""
    return torch.logaddexp(x, torch.zeros_like(x))  # log(exp(x) + exp(0)), without the overflow of exp(x) above 88


def fused(x: Tensor) -> Tensor:
    """The twin of `plain`."""
    return F.softplus(x, threshold=LINEAR)
