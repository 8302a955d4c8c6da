"""Learned positions (Radford et al., 2019): a second embedding, by position instead of by token. GPT-2's choice."""

from typing import ClassVar

from torch import Tensor

from glassformer.kernels import Kernels, fused
from glassformer.model.embedding import Embedding
from glassformer.model.position import Position, Scheme
from glassformer.model.roles import Cut
from glassformer.model.shapes import Shapes


class Config(Position):
    """x_t = x_t + P[t]."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> Scheme:
        """context_length x C parameters."""
        return LearnedPositions(shapes, kernels or fused())


class LearnedPositions(Scheme):
    """A table with one row per position below context_length."""

    cuts: ClassVar[dict[str, Cut]] = {"table": "whole"}

    def __init__(self, shapes: Shapes, kernels: Kernels):
        super().__init__()
        self.table = Embedding(shapes.context_length, shapes.n_embd, kernels)

    def add(self, x: Tensor, index: Tensor) -> Tensor:
        """x (B, T, C) -> x plus the rows at `index`."""
        return x + self.table(index)
