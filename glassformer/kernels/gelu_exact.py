"""Gaussian error linear unit (Hendrycks and Gimpel, 2016) in its exact form, that of BERT and GPT-NeoX.

    y = x * Phi(x) = x/2 * (1 + erf(x / sqrt(2)))

Phi(x) is the probability that a standard normal variable is below x. `gelu` is the approximation by tanh; the two differ
by at most 5e-4, and a checkpoint must be read with the one that it was trained with.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def plain(x: Tensor) -> Tensor:
    """x (...) -> the same shape."""
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def fused(x: Tensor) -> Tensor:
    """The twin of `plain`."""
    return F.gelu(x)
