"""Every weight from N(0, std^2) at any depth, as in GPT-1 (Radford et al., 2018): the baseline for depth scaling."""

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
