"""A head with weights of its own, as most models above a few hundred million parameters have."""

from typing import ClassVar

from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.model.head import Head
from glassformer.model.linear import Linear
from glassformer.model.roles import Cut
from glassformer.model.shapes import Shapes


class Config(Head):
    """logits = x W_head^T, W_head learned separately."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """A head with V x C parameters."""
        return UntiedHead(shapes, kernels or fused())


class UntiedHead(nn.Module):
    """Scores each token by the dot product with its own output vector."""

    cuts: ClassVar[dict[str, Cut]] = {"lm_head": "columns"}

    def __init__(self, shapes: Shapes, kernels: Kernels):
        super().__init__()
        self.lm_head = Linear(shapes.n_embd, shapes.vocab_size, False, kernels, role="head")

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (..., C) -> (..., V); the embedding is not used."""
        return self.lm_head(x)

    def scores(self, embedding: Tensor) -> Tensor | None:
        """The weights of `forward`; None if `lm_head` was replaced."""
        return self.lm_head.weight if type(self.lm_head) is Linear else None
