"""Learned positions (Radford et al., 2019): a second embedding, by place instead of by token. GPT-2's choice."""

from torch import Tensor

from glassformer.kernels import Kernels
from glassformer.model.embedding import Embedding
from glassformer.model.position import Position, Scheme
from glassformer.model.shapes import Shapes


class Learned(Position):
    """x_t = x_t + P[t]."""

    def build(self, shapes: Shapes, kernels: Kernels) -> Scheme:
        """context_length x C parameters."""
        return LearnedScheme(shapes, kernels)


class LearnedScheme(Scheme):
    """Knows nothing beyond context_length."""

    def __init__(self, shapes: Shapes, kernels: Kernels):
        super().__init__()
        self.table = Embedding(shapes.context_length, shapes.n_embd, kernels)

    def add(self, x: Tensor, index: Tensor) -> Tensor:
        """x (B, T, C) -> x plus the rows at `index`."""
        return x + self.table(index)
