"""YaRN (Peng, Quesnelle, Fan and Shippole, 2023): pair by pair, and with a temperature.

    theta_i = (1 - g_i) base^(-2i/width) / factor + g_i base^(-2i/width)
    g_i     = 1 for pairs that rotate more than `fast` times within the trained length: these tell neighbours apart
              0 for pairs that rotate less than `slow` times: these would meet new angles
              and falls linearly with i in between
    q, k    = multiplied by 0.1 ln factor + 1 before a softmax: longer texts get sharper scores

The bounds of i are rounded outwards, as in the authors' code.
"""

import math

import torch
from pydantic import PositiveFloat
from torch import Tensor

from glassformer.kernels import rope
from glassformer.model.position.rope.scaling import Graded


class YaRN(Graded):
    """Interpolates the slow pairs, and sharpens scores."""

    fast: PositiveFloat = 32.0
    """Pairs that rotate more often than this within the trained length stay as they are."""

    def frequencies(self, base: float, width: int, context_length: int, device: torch.device) -> Tensor:
        """(width/2,)."""

        def pair(turns: float) -> float:
            """The (fractional) i of the pair that rotates that often within the trained length."""
            return width * math.log(self.trained(context_length) / (turns * 2 * math.pi)) / (2 * math.log(base))

        low, high = max(math.floor(pair(self.fast)), 0), min(math.ceil(pair(self.slow)), width - 1)
        i = torch.arange(width // 2, device=device, dtype=torch.float32)
        kept = 1 - ((i - low) / max(high - low, 0.001)).clamp(0, 1)
        theta = rope.frequencies(width, base, device)
        return theta / self.factor * (1 - kept) + theta * kept

    @property
    def temperature(self) -> float:
        """0.1 ln factor + 1."""
        return 0.1 * math.log(self.factor) + 1
