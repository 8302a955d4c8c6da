"""Norm: rescales every vector to a common size, so that deep models train stably."""

import abc
from typing import ClassVar

import torch
from torch import nn

from glassformer.config import Variant
from glassformer.kernels import Kernels
from glassformer.model.roles import Leaf, Role
from glassformer.model.shapes import Shapes


class Norm(Variant):
    """Builds a module with `forward(x (..., C)) -> (..., C)`."""

    @abc.abstractmethod
    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """The module for vectors of width shapes.n_embd; without `kernels` it uses `fused()`."""


class Gain(Leaf):
    """A norm with one learned number per dimension and nothing else. A subclass says where it begins and what it scales."""

    roles: ClassVar[dict[str, Role]] = {"weight": "gain"}

    def __init__(self, width: int, eps: float, kernels: Kernels):
        super().__init__()
        self.kernels, self.eps = kernels, eps
        self.weight = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{len(self.weight)}, eps={self.eps:g}"
