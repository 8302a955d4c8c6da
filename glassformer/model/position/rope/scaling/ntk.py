"""NTK-aware scaling (bloc97, 2023; Peng et al., 2023, eq. 16): stretch the slow pairs and leave the fast ones.

    theta_i = base'^(-2i/width),   base' = base factor^(width / (width - 2))

The fastest pair turns as before, the slowest exactly `factor` times slower. Works without further training, less well than
`yarn` with it.
"""

import torch
from torch import Tensor

from glassformer.errors import SettingError
from glassformer.kernels import rope
from glassformer.model.position.rope.scaling import Stretched


class NTK(Stretched):
    """A larger base."""

    def frequencies(self, base: float, width: int, context_length: int, device: torch.device) -> Tensor:
        """(width/2,). Raises SettingError if there is but one pair."""
        if width < 4:
            raise SettingError(f"ntk scaling turns at least 4 numbers a head, and here are {width}; use linear")
        return rope.frequencies(width, base * self.factor ** (width / (width - 2)), device)
