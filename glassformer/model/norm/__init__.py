"""Norm: rescales every vector to a common size, so that deep models train stably."""

import abc

from torch import nn

from glassformer.config import Variant
from glassformer.kernels import Kernels
from glassformer.model.shapes import Shapes


class Norm(Variant):
    """Builds a module with `forward(x (..., C)) -> (..., C)`."""

    @abc.abstractmethod
    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """The module for vectors of width shapes.n_embd; without `kernels` it uses `fused()`."""
