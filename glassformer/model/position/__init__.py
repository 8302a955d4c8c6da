"""Position: how a model that sees a set of tokens learns their order.

A scheme may add to the stream, turn queries and keys, or bias the scores. Each method is neutral by default, and a
variant overrides one of them.
"""

import abc

from torch import Tensor, nn

from glassformer.config import Variant
from glassformer.kernels import Kernels
from glassformer.model.shapes import Shapes


class Position(Variant):
    """Builds a Scheme."""

    @abc.abstractmethod
    def build(self, shapes: Shapes, kernels: Kernels) -> "Scheme":
        """The module for a model of these shapes."""


class Scheme(nn.Module):
    """Neutral: order is not told. Indices are (T,) when all rows stand at the same place, (B, T) when they do not."""

    def add(self, x: Tensor, index: Tensor) -> Tensor:
        """x (B, T, C) as it enters the first block -> the same shape."""
        return x

    def rotate(self, q: Tensor, k: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """q (B, H, T, D) and k (B, G, T, D) of the tokens at `index` -> the same shapes, no vector longer or shorter."""
        return q, k

    def rotate_for_softmax(self, q: Tensor, k: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """`rotate`, for products that a softmax compares: here a scheme may lengthen vectors, to sharpen the choice."""
        return self.rotate(q, k, index)

    def bias(self, q_index: Tensor, k_index: Tensor) -> Tensor | None:
        """What to add to the scores, or None for nothing: q_index (..., T), k_index (..., S) -> (..., H, T, S).

        The leading dimensions broadcast: (B, T) and (S,) are a ragged batch, (N, T) and (N, S) are N pieces of a row.
        """
        return None
