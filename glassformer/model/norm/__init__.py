"""Norm: keeps the numbers that a part reads at a steady size."""

import abc

from torch import nn

from glassformer.config import Variant
from glassformer.kernels import Kernels
from glassformer.model.shapes import Shapes


class Norm(Variant):
    """Builds a module with `forward(x (..., C)) -> (..., C)`."""

    @abc.abstractmethod
    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """The module for a stream of width shapes.n_embd."""
