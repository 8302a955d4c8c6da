"""Every matrix ~ N(0, std^2), at any depth: GPT-1's way (Radford et al., 2018), and what depth scaling is compared with."""

from pydantic import PositiveFloat
from torch import Tensor

from glassformer.model.init import Init
from glassformer.model.roles import STD, Role
from glassformer.model.shapes import Shapes


class Flat(Init):
    """The same standard deviation for all weights."""

    spread: PositiveFloat = STD
    """The standard deviation of every matrix."""

    def std(self, role: Role, weight: Tensor, shapes: Shapes) -> float:
        """The same for every role."""
        return self.spread
