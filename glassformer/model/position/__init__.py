"""Position: how a model that sees a set of tokens learns their order.

A scheme may add to the stream, turn queries and keys, or bias the scores. Each method is neutral by default, and a
variant overrides one of them.
"""

import abc
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from glassformer.config import Variant
from glassformer.kernels import Kernels
from glassformer.kernels.attention import Bias
from glassformer.kernels.documents import places
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
    documents: Tensor | None = None
    """(B, T) int64 where rows hold several documents: the number of each token's, never falling along a row. No token
    may learn anything of another document. The index counts places of the row all the same: distances are right."""
    counts: Tensor | None = None
    """(B,) int64 where rows are padded on the right: how many tokens of this call are real. None: all of them."""

    @property
    def real(self) -> Tensor | None:
        """(B, T) booleans, false for padding; None where there is none."""
        if self.counts is None:
            return None
        return torch.arange(self.index.shape[-1], device=self.index.device) < self.counts[:, None]

    def rotate(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """See Scheme.rotate."""
        return self.scheme.rotate(q, k, self.index)

    def rotate_for_softmax(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """See Scheme.rotate_for_softmax."""
        return self.scheme.rotate_for_softmax(q, k, self.index)

    @property
    def queries(self) -> Tensor:
        """The index beside a row of keys: (T, 1), or (B, 1, T, 1) in a ragged batch."""
        return self.index[:, None] if self.index.ndim == 1 else self.index[:, None, :, None]

    def visible(self, k_index: Tensor, rule: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """`rule(q_index, k_index)` and the same document: booleans, broadcastable to (B, H, T, S).

        k_index (S,), or (B, S) where rows hold different keys. Of packed documents the rule is told the places within
        the document, so that it cannot know what stands before it.
        """
        if self.documents is not None:
            place, documents = places(self.documents), self.documents
            same = documents[:, None, :, None] == documents[:, None, None, :]
            return same & rule(place[:, None, :, None], place[:, None, None, :])
        return rule(self.queries, k_index if k_index.ndim == 1 else k_index[:, None, None, :])

    def bias(self, k_index: Tensor) -> Tensor | None:
        """See Scheme.bias; k_index (S,), or (B, S) where rows hold different keys."""
        return self.scheme.bias(self.index, k_index)

    def bias_from(self, first: int) -> Bias:
        """Scheme.bias for a kernel that asks for it piece by piece and counts from the key at index `first`."""
        return lambda q_index, k_index: self.scheme.bias(q_index + first, k_index + first)
