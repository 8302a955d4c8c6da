"""The logistic sigmoid: any number becomes one between 0 and 1.

    y = 1 / (1 + exp(-x))

A network uses it wherever it needs a share or a probability. It is also the gate inside SiLU.
"""

import torch
from torch import Tensor


def plain(x: Tensor) -> Tensor:
    """x (...) -> the same shape, in (0, 1)."""
    log_denominator = torch.logaddexp(-x, torch.zeros_like(x))  # log(exp(-x) + 1): exp(-x) alone overflows below -88
    return (-log_denominator).exp()


def fused(x: Tensor) -> Tensor:
    """The twin of `plain`."""
    return x.sigmoid()
