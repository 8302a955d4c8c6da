"""Position interpolation (Chen, Wong, Chen and Tian, 2023): read a long text as if its positions were closer together.

    theta_i = base^(-2i/width) / factor

No angle is new, but neighbours become harder to tell apart; a little training on long texts repairs that.
"""

import torch
from torch import Tensor

from glassformer.kernels import rope
from glassformer.model.position.rope.scaling import Stretched


class Linear(Stretched):
    """All pairs `factor` times slower."""

    def frequencies(self, base: float, width: int, context_length: int, device: torch.device) -> Tensor:
        """(width/2,)."""
        return rope.frequencies(width, base, device) / self.factor
