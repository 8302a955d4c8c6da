"""Head: how the residual stream becomes logits, a score for every token of the vocabulary."""

import abc
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from glassformer.config import Variant
from glassformer.kernels import Kernels
from glassformer.model.cache import LayerCache
from glassformer.model.positions import Positions
from glassformer.model.shapes import Shapes


class Head(Variant):
    """Builds a module with `forward(x (..., C), embedding (V, C)) -> logits (..., V)`."""

    @abc.abstractmethod
    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """The module for a model of these shapes; without `kernels` it uses `fused()`."""


@runtime_checkable
class IsLinear(Protocol):
    """A head whose `forward` is x W^T and nothing else, so that a loss can be computed from W, a few tokens at a time."""

    def scores(self, embedding: Tensor) -> Tensor | None:
        """embedding (V, C) -> W (V, C); None if another module stands in the place of the projection, as an adapter does:
        then the loss is computed from what `forward` returns."""
        ...


@runtime_checkable
class LooksBack(Protocol):
    """A head whose scores depend on the tokens that were read, and not on the stream alone, as the pointer's do."""

    def read(self, x: Tensor, ids: Tensor, positions: Positions, cache: Any = None) -> Any:
        """What the head keeps of x (B, T, C), the stream of a call, and of ids (B, T), its tokens; with a `cache`, of
        earlier calls too. Its `at(last)` is the same for one query a row, at the places last (B,)."""
        ...

    def mix(self, z: Tensor, x: Tensor, memory: Any) -> Tensor:
        """z (B, T, V), the logits of `forward` with the model's scale and softcap -> (B, T, V)."""
        ...

    def nats(self, z: Tensor, x: Tensor, memory: Any, targets: Tensor) -> Tensor:
        """The cross-entropy of `mix(z, x, memory)`: (B, T) nats, 0 where the target is IGNORED."""
        ...

    def make_cache(self, rows: int, length: int) -> LayerCache:
        """The memory of `rows` texts of at most `length` tokens."""
        ...


@runtime_checkable
class HasAuxiliaryLoss(Protocol):
    """A head that also learns from more than the next token, as multi-token prediction does."""

    def auxiliary_loss(
        self, x: Tensor, score: Callable[[Tensor], Tensor], targets: Tensor, documents: Tensor | None = None
    ) -> Tensor:
        """x (B, T, C), targets (B, T) of the next token -> a scalar in nats a token.

        `score` takes (..., C) to (..., V) exactly as the model scores the next token, with its scale and softcap.
        `documents` (B, T) numbers the documents packed into a row; a target belongs to the document of the token before
        it, and so does a separator after the last one. None: every row is one text.
        """
        ...
