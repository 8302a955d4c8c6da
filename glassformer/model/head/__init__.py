"""Head: how the residual stream becomes a score for every token of the vocabulary."""

import abc
from collections.abc import Callable

from torch import Tensor, nn

from glassformer.config import Variant
from glassformer.kernels import Kernels
from glassformer.model.shapes import Shapes


class Head(Variant):
    """Builds a module with `forward(x (..., C), embedding (V, C)) -> logits (..., V)`."""

    @abc.abstractmethod
    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """The module for a model of these shapes."""


class Foresight(abc.ABC):
    """Marks a head that also learns from what comes later than next."""

    @abc.abstractmethod
    def extra_loss(
        self, x: Tensor, score: Callable[[Tensor], Tensor], targets: Tensor, documents: Tensor | None = None
    ) -> Tensor:
        """x (B, T, C), targets (B, T) of the next token -> a scalar in nats a token.

        `score` takes (..., C) to (..., V) as the model scores the next token: its own scale and cap are in it.
        `documents` (B, T) numbers the documents packed into a row; a target is of the document of the token before it,
        also a separator after the last. None: every row is one text.
        """
