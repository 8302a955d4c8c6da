"""Embedding: a table with one row per token, looked up by id.

    y_t = W[id_t]                      W: (V, C)

The result is that of multiplying a one-hot row by W, and nothing is multiplied.
"""

from torch import Tensor
from torch.nn import functional as F


def plain(ids: Tensor, weight: Tensor) -> Tensor:
    """ids (...,) integers below V, weight (V, C) -> (..., C)."""
    return weight[ids]


def fused(ids: Tensor, weight: Tensor) -> Tensor:
    """The twin of `plain`."""
    return F.embedding(ids, weight)
