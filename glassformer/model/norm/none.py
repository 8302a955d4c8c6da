"""No norm, for comparison: deep stacks without one blow up or learn slowly (docs/lab.md)."""

from torch import nn

from glassformer.kernels import Kernels
from glassformer.model.norm import Norm
from glassformer.model.shapes import Shapes


class NoNorm(Norm):
    """y = x."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """No parameters."""
        return nn.Identity()
