"""The MLP of GPT-2 (Radford et al., 2019): GELU, a smooth form of ReLU, in its approximation by tanh."""

from torch import nn

from glassformer.kernels import Kernels, fused
from glassformer.model.mlp import MLP, FeedForward
from glassformer.model.shapes import Shapes


class Config(MLP):
    """y = W_down gelu(W_up x); n_hidden is 4 n_embd by default."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """8 C^2 parameters by default."""
        return GELU(shapes, self, kernels or fused())


class GELU(FeedForward):
    """An MLP with the kernel `gelu`."""

    def __init__(self, shapes: Shapes, config: MLP, kernels: Kernels):
        super().__init__(shapes, config.n_hidden, kernels.gelu, kernels)
