"""RoPE as it was trained (Su et al., 2021)."""

import torch
from torch import Tensor

from glassformer.kernels import rope
from glassformer.model.position.rope.scaling import Scaling


class NoScaling(Scaling):
    """theta_i = base^(-2i/width)."""

    def frequencies(self, base: float, width: int, context_length: int, device: torch.device) -> Tensor:
        """(width/2,)."""
        return rope.frequencies(width, base, device)
