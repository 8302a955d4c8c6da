"""No positions: a causal model can still count, because later tokens see more (Haviv et al., 2022)."""

from glassformer.kernels import Kernels
from glassformer.model.position import Position, Scheme
from glassformer.model.shapes import Shapes


class NoPosition(Position):
    """The neutral scheme."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> Scheme:
        """No parameters."""
        return Scheme()
