"""The MLP with a squared ReLU (So et al., 2021, "Primer"). nanochat's choice."""

from torch import nn

from glassformer.kernels import Kernels, fused
from glassformer.model.mlp import MLP, FeedForward
from glassformer.model.shapes import Shapes


class Config(MLP):
    """y = W_down max(W_up x, 0)^2; n_hidden is 4 n_embd by default."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """8 C^2 parameters by default."""
        return ReLU2(shapes, self, kernels or fused())


class ReLU2(FeedForward):
    """An MLP with the kernel `relu2`."""

    def __init__(self, shapes: Shapes, config: MLP, kernels: Kernels):
        super().__init__(shapes, config.n_hidden, kernels.relu2, kernels)
