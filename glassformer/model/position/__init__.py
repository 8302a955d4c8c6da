"""Position: how a model learns the order of its tokens.

A scheme may add to the stream, rotate queries and keys, or bias the scores. Each method does nothing by default, and a
variant overrides one of them.
"""

import abc
from typing import ClassVar

from torch import Tensor, nn

from glassformer.config import Variant
from glassformer.kernels import Kernels
from glassformer.model.roles import Cut
from glassformer.model.shapes import Shapes


class Position(Variant):
    """Builds a Scheme."""

    @abc.abstractmethod
    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> "Scheme":
        """The module for a model of these shapes; without `kernels` it uses `fused()`."""


class Scheme(nn.Module):
    """The base class does nothing. Indices are (T,) when all rows are at the same place, (B, T) when they are not."""

    cuts: ClassVar[dict[str, Cut]] = {}

    def add(self, x: Tensor, index: Tensor) -> Tensor:
        """x (B, T, C) as it enters the first block -> the same shape."""
        return x

    def prepare(self, index: Tensor) -> Tensor:
        """What `rotate` needs to know of the index. It is computed once per call of the model, and not in every layer."""
        return index

    def rotate(self, q: Tensor, k: Tensor, prepared: Tensor) -> tuple[Tensor, Tensor]:
        """q (B, H, T, D), k (B, G, T, D) and prepare(index) -> q and k rotated, every vector as long as before."""
        return q, k

    def rotate_for_softmax(self, q: Tensor, k: Tensor, prepared: Tensor) -> tuple[Tensor, Tensor]:
        """`rotate`, for products that a softmax compares: here a scheme may lengthen vectors to sharpen the choice."""
        return self.rotate(q, k, prepared)

    def bias(self, q_index: Tensor, k_index: Tensor) -> Tensor | None:
        """What to add to the scores, or None for nothing: q_index (..., T), k_index (..., S) -> (..., H, T, S).

        The leading dimensions broadcast: (B, T) and (S,) are a ragged batch, (N, T) and (N, S) are N pieces of a row.
        """
        return None
