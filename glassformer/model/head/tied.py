"""Weight tying (Press and Wolf, 2017): the embedding of a token is also the vector that its score is computed with."""

from typing import ClassVar

from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.model.head import Head
from glassformer.model.roles import Cut
from glassformer.model.shapes import Shapes


class Config(Head):
    """No parameters of its own: logits = x W_embed^T. Saves V x C numbers."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """A head that is handed the embedding at every call, so no tensor is ever stored twice."""
        return TiedHead(kernels or fused())


class TiedHead(nn.Module):
    """Scores each token by the dot product with its embedding."""

    cuts: ClassVar[dict[str, Cut]] = {}

    def __init__(self, kernels: Kernels):
        super().__init__()
        self.kernels = kernels

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (..., C), embedding (V, C) -> (..., V)."""
        return self.kernels.linear(x, embedding)

    def scores(self, embedding: Tensor) -> Tensor:
        """The weights of `forward`."""
        return embedding
