"""Position: how a model that sees a set of tokens learns their order.

A scheme may add to the stream, turn queries and keys, or bias the scores. Each method is neutral by default, and a
variant overrides one of them.
"""

import abc
from dataclasses import dataclass

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
        """q (B, H, T, D) and k (B, G, T, D) of the tokens at `index` -> the same shapes."""
        return q, k

    def bias(self, q_index: Tensor, k_index: Tensor) -> Tensor | None:
        """What to add to the scores: broadcastable to (B, H, T, S), or None for nothing."""
        return None


@dataclass(frozen=True)
class Positions:
    """Where the tokens of one call stand, and what the model's scheme makes of that. Handed to every mixer."""

    index: Tensor
    """(T,) int64 when all rows are at the same place; (B, T) in a ragged batch."""
    start: int | None
    """index[0] as a Python number, or None in a ragged batch."""
    end: int
    """One more than the largest index: how many slots of a cache are in use after this call."""
    scheme: Scheme

    def rotate(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """See Scheme.rotate."""
        return self.scheme.rotate(q, k, self.index)

    def bias(self, k_index: Tensor) -> Tensor | None:
        """See Scheme.bias."""
        return self.scheme.bias(self.index, k_index)
