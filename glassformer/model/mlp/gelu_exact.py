"""The MLP with GELU in its exact form, x times the normal distribution function (BERT, GPT-NeoX, Falcon)."""

from torch import nn

from glassformer.kernels import Kernels, fused
from glassformer.model.mlp import MLP, FeedForward
from glassformer.model.shapes import Shapes


class Config(MLP):
    """y = W_down gelu(W_up x) with erf where `gelu` has tanh; n_hidden is 4 n_embd by default."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """8 C^2 parameters by default."""
        return ExactGELU(shapes, self, kernels or fused())


class ExactGELU(FeedForward):
    """An MLP with the kernel `gelu_exact`."""

    def __init__(self, shapes: Shapes, config: MLP, kernels: Kernels):
        super().__init__(shapes, config.n_hidden, kernels.gelu_exact, kernels)
