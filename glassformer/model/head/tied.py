"""Weight tying (Press and Wolf, 2017): the vector that a token enters with is the vector it is recognised by."""

from torch import Tensor, nn

from glassformer.kernels import Kernels
from glassformer.model.head import Head
from glassformer.model.shapes import Shapes


class Tied(Head):
    """No parameters of its own: logits = x W_embed^T. Saves V x C numbers."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """A head that borrows the embedding at every call, so no tensor is ever stored twice."""
        return TiedHead(kernels)


class TiedHead(nn.Module):
    """Scores each token by the dot product with its embedding."""

    def __init__(self, kernels: Kernels):
        super().__init__()
        self.kernels = kernels

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (..., C), embedding (V, C) -> (..., V)."""
        return self.kernels.linear(x, embedding)
