"""Softmax: scores to probabilities.

    p_i = exp(x_i - m) / sum_j exp(x_j - m),   m = max_j x_j

Subtracting the maximum changes nothing in exact arithmetic and keeps exp from overflowing. A score of -inf gets
probability 0. Where all scores are -inf nothing can be chosen, and all probabilities are 0 (their sum is not 1 then).
"""

import math

from torch import Tensor


def plain(x: Tensor, dim: int = -1) -> Tensor:
    """x (...) -> the same shape, summing to 1 along `dim`."""
    if x.shape[dim] == 0:
        return x
    m = x.amax(dim, keepdim=True)
    e = (x - m.masked_fill(m == -math.inf, 0)).exp()
    total = e.sum(dim, keepdim=True)
    return e / total.masked_fill(total == 0, 1)


def fused(x: Tensor, dim: int = -1) -> Tensor:
    """The twin of `plain`."""
    nothing = (x == -math.inf).all(dim, keepdim=True)
    return x.masked_fill(nothing, 0).softmax(dim).masked_fill(nothing, 0)
