"""A table of learned vectors, one row per id. Tokens have one; learned positions have one."""

import torch
from torch import Tensor, nn

from glassformer.kernels import Kernels


class Embedding(nn.Module):
    """ids -> rows of `weight` (V, C)."""

    def __init__(self, n_rows: int, n_embd: int, kernels: Kernels):
        super().__init__()
        self.kernels = kernels
        self.weight = nn.Parameter(torch.empty(n_rows, n_embd))

    def forward(self, ids: Tensor) -> Tensor:
        """ids (...) -> (..., C)."""
        return self.kernels.embedding(ids, self.weight)
