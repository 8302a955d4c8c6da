"""The MLP of GPT-2 (Radford et al., 2019): ReLU's hard corner made smooth."""

from torch import nn

from glassformer.kernels import Kernels
from glassformer.model.mlp import MLP, FeedForward
from glassformer.model.shapes import Shapes


class GELU(MLP):
    """y = W_down gelu(W_up x); n_hidden is 4 n_embd by default."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """8 C^2 parameters by default."""
        return FeedForward(shapes, self.n_hidden or 4 * shapes.n_embd, kernels.gelu, kernels)
