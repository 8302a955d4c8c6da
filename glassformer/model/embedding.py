"""A table of learned vectors, one row per id, for tokens, learned positions and relative biases."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from glassformer.kernels import Kernels
from glassformer.model.roles import STD, Leaf, Role, fill_normal


class Embedding(Leaf):
    """ids -> rows of `weight` (V, C)."""

    roles: ClassVar[dict[str, Role]] = {"weight": "embedding"}

    def __init__(self, n_rows: int, n_embd: int, kernels: Kernels):
        super().__init__()
        self.kernels = kernels
        self.weight = nn.Parameter(torch.empty(n_rows, n_embd))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Rows from N(0, 0.02^2)."""
        fill_normal(self.weight, STD)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (...) -> (..., C)."""
        return self.kernels.embedding(ids, self.weight)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return "{}, {}".format(*self.weight.shape)
