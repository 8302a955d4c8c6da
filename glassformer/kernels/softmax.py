"""Softmax: scores to probabilities.

    p_i = exp(x_i - m) / sum_j exp(x_j - m),   m = max_j x_j

Subtracting the maximum changes nothing in exact arithmetic and keeps exp from overflowing. A score of -inf gets
probability 0.
"""

from torch import Tensor


def plain(x: Tensor, dim: int = -1) -> Tensor:
    """x (...) -> the same shape, summing to 1 along `dim`."""
    e = (x - x.amax(dim, keepdim=True)).exp()
    return e / e.sum(dim, keepdim=True)


def fused(x: Tensor, dim: int = -1) -> Tensor:
    """The twin of `plain`."""
    return x.softmax(dim)
