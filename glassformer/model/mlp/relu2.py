"""The MLP with a squared ReLU (So et al., 2021, "Primer"). nanochat's choice."""

from torch import nn

from glassformer.kernels import Kernels
from glassformer.model.mlp import MLP, FeedForward
from glassformer.model.shapes import Shapes


class ReLU2(MLP):
    """y = W_down max(W_up x, 0)^2; n_hidden is 4 n_embd by default."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """8 C^2 parameters by default."""
        return FeedForward(shapes, self.n_hidden or 4 * shapes.n_embd, kernels.relu2, kernels)
