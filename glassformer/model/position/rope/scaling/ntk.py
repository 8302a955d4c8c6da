"""NTK-aware scaling (bloc97, 2023; Peng et al., 2023, eq. 16): slow the slow pairs down and leave the fast ones.

    theta_i = base'^(-2i/width),   base' = base factor^(width / (width - 2))

The fastest pair rotates as before, the slowest exactly `factor` times slower. It works without further training, though not
as well as `yarn` with some.
"""

import torch
from torch import Tensor

from glassformer.errors import SettingError
from glassformer.kernels import rope
from glassformer.model.position.rope.scaling import Stretched


class NTK(Stretched):
    """A larger base."""

    def frequencies(self, base: float, width: int, context_length: int, device: torch.device) -> Tensor:
        """(width/2,). Raises SettingError if there is only one pair."""
        if width < 4:
            raise SettingError(f"ntk scaling needs at least 4 rotated numbers per head, and there are {width}; use linear")
        return rope.frequencies(width, base * self.factor ** (width / (width - 2)), device)
