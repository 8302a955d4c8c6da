"""What mixers with a state share (`mamba`, `gated_deltanet`): a short convolution."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from glassformer.kernels import Kernels
from glassformer.model.roles import Leaf, Role, fill_uniform


class ShortConvolution(Leaf):
    """A few taps for every channel, then SiLU."""

    roles: ClassVar[dict[str, Role]] = {"weight": "other", "bias": "bias"}

    def __init__(self, channels: int, width: int, kernels: Kernels):
        super().__init__()
        self.kernels, self.width = kernels, width
        self.weight = nn.Parameter(torch.empty(channels, 1, width))
        self.bias = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def forward(self, x: Tensor, tail: Tensor | None, documents: Tensor | None) -> Tensor:
        """x (B, T, E) -> (B, T, E)."""
        return self.kernels.short_convolution(x, self.weight, self.bias, tail, documents)

    def reset_parameters(self) -> None:
        """Taps evenly from (-W^-0.5, W^-0.5), so that a sum of W inputs is about as large as one; biases 0."""
        fill_uniform(self.weight, self.width**-0.5)
        nn.init.zeros_(self.bias)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{len(self.bias)}, width={self.width}"


def inverse_softplus(y: Tensor) -> Tensor:
    """x with log(1 + exp(x)) = y."""
    return y + (-(-y).expm1()).log()
