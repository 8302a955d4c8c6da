"""Every matrix ~ N(0, std^2), at any depth: GPT-1's way (Radford et al., 2018), and what depth scaling is compared with."""

import torch
from pydantic import PositiveFloat

from glassformer.model.init import STD, Init
from glassformer.model.shapes import Shapes


class Flat(Init):
    """One spread for all."""

    spread: PositiveFloat = STD
    """The standard deviation of every matrix."""

    def std(self, name: str, weight: torch.Tensor, shapes: Shapes) -> float:
        """The same for every name."""
        return self.spread
