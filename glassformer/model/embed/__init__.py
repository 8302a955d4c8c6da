"""Embed: how token ids become the first vectors of the residual stream."""

import abc

from torch import nn

from glassformer.config import Variant
from glassformer.kernels import Kernels
from glassformer.model.shapes import Shapes


class Embed(Variant):
    """Builds a module with `forward(ids (B, T)) -> (B, T, C)` and a `weight` (V, C) that a tied head can share."""

    @abc.abstractmethod
    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """The module for a model of these shapes; without `kernels` it uses `fused()`."""
