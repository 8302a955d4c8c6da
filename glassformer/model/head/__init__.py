"""Head: how the residual stream becomes logits, a score for every token of the vocabulary."""

import abc
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from glassformer.config import Variant
from glassformer.kernels import Kernels
from glassformer.model.shapes import Shapes


class Head(Variant):
    """Builds a module with `forward(x (..., C), embedding (V, C)) -> logits (..., V)`."""

    @abc.abstractmethod
    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """The module for a model of these shapes; without `kernels` it uses `fused()`."""


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
