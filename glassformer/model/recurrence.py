"""What mixers with a state share (`mamba`, `gated_deltanet`): a short convolution, and first weights that no Init knows."""

import torch
from torch import Tensor, nn

from glassformer.kernels import Kernels
from glassformer.model.init import Drawn


class ShortConvolution(Drawn):
    """A few taps for every channel, at first between -W^-0.5 and W^-0.5, and SiLU."""

    def __init__(self, channels: int, width: int, kernels: Kernels):
        super().__init__()
        self.kernels, self.width = kernels, width
        self.weight = nn.Parameter(torch.empty(channels, 1, width))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, tail: Tensor | None, documents: Tensor | None) -> Tensor:
        """x (B, T, E) -> (B, T, E)."""
        return self.kernels.short_convolution(x, self.weight, self.bias, tail, documents)

    def draw(self, generator: torch.Generator) -> None:
        """The spread of sums of W numbers is that of one."""
        fill_uniformly(self.weight, self.width**-0.5, generator)


@torch.no_grad()
def fill_uniformly(weight: Tensor, bound: float, generator: torch.Generator) -> None:
    """Numbers in (-bound, bound), drawn on the CPU so that they are the same wherever the weight is."""
    weight.copy_((2 * torch.rand(weight.shape, device="cpu", generator=generator) - 1) * bound)


def inverse_softplus(y: Tensor) -> Tensor:
    """x with log(1 + exp(x)) = y."""
    return y + (-(-y).expm1()).log()
