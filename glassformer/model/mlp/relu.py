"""The MLP of the original transformer (Vaswani et al., 2017, eq. 2)."""

from torch import nn

from glassformer.kernels import Kernels, fused
from glassformer.model.mlp import MLP, FeedForward
from glassformer.model.shapes import Shapes


class Config(MLP):
    """y = W_down max(W_up x, 0); n_hidden is 4 n_embd by default."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """8 C^2 parameters by default."""
        return ReLU(shapes, self, kernels or fused())


class ReLU(FeedForward):
    """An MLP with the kernel `relu`."""

    def __init__(self, shapes: Shapes, config: MLP, kernels: Kernels):
        super().__init__(shapes, config.n_hidden, kernels.relu, kernels)
