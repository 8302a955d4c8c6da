"""The scaling of Llama 3.1 (Dubey et al., 2024): pair by pair as in `yarn`, by wavelength and without a temperature.

    turns_i = trained length / (2 pi / base^(-2i/width))
    g_i     = (turns_i - slow) / (fast - slow), at least 0 and at most 1
    theta_i = (1 - g_i) base^(-2i/width) / factor + g_i base^(-2i/width)
"""

import math

import torch
from pydantic import PositiveFloat
from torch import Tensor

from glassformer.kernels import rope
from glassformer.model.position.rope.scaling import Graded


class Llama3(Graded):
    """Interpolates the pairs that rotate less than a few times within the trained length."""

    fast: PositiveFloat = 4.0
    """Pairs that rotate more often than this within the trained length stay as they are."""

    def frequencies(self, base: float, width: int, context_length: int, device: torch.device) -> Tensor:
        """(width/2,)."""
        theta = rope.frequencies(width, base, device)
        turns = self.trained(context_length) * theta / (2 * math.pi)
        kept = ((turns - self.slow) / (self.fast - self.slow)).clamp(0, 1)
        return theta / self.factor * (1 - kept) + theta * kept
