"""Multi-token prediction (Gloeckle et al., 2024): every position predicts the next token and the ones after it.

    logits_j(t) = score(x_t + W_j x_t)        for token t + 1 + j,  j = 1 .. n_ahead

where `score` is how the model scores the next token: x W_embed^T, with its scale and softcap. The farther predictions are
for training only: they reward a stream that plans ahead. Generation uses the scores of the next token.
"""

from collections.abc import Callable
from typing import ClassVar

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.head import Head
from glassformer.model.linear import Linear
from glassformer.model.roles import Cut
from glassformer.model.shapes import Shapes


class Config(Head):
    """A tied head, and `n_ahead` projections of the stream for the tokens after the next one."""

    n_ahead: PositiveInt = 1
    """How many tokens after the next one are predicted as well."""
    weight: NonNegativeFloat = 0.3
    """The weight of their loss; the loss of the next token has weight 1."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """n_ahead C^2 parameters."""
        return MultiTokenHead(shapes, self, kernels or fused())


class MultiTokenHead(nn.Module):
    """Scores by the dot product with the embedding, as a tied head does."""

    cuts: ClassVar[dict[str, Cut]] = {"views": "whole"}

    def __init__(self, shapes: Shapes, config: Config, kernels: Kernels):
        super().__init__()
        self.kernels, self.weight = kernels, config.weight
        self.views = nn.ModuleList(Linear(shapes.n_embd, shapes.n_embd, False, kernels) for _ in range(config.n_ahead))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (..., C), embedding (V, C) -> (..., V)."""
        return self.kernels.linear(x, embedding)

    def scores(self, embedding: Tensor) -> Tensor:
        """The weights of `forward`."""
        return embedding

    def auxiliary_loss(
        self, x: Tensor, score: Callable[[Tensor], Tensor], targets: Tensor, documents: Tensor | None = None
    ) -> Tensor:
        """See HasAuxiliaryLoss: `weight` times the mean nats of the farther targets that count, within one document."""
        total, counted, reachable = x.new_zeros((), dtype=torch.float32), 0, targets != IGNORED
        for j, view in enumerate(self.views, start=1):
            reachable = reachable[:, :-1] & (targets[:, j:] != IGNORED)  # all tokens on the way must count
            if documents is not None:
                reachable = reachable & (documents[:, j:] == documents[:, :-j])
            far = targets[:, j:].where(reachable, IGNORED).flatten()
            seen = x[:, :-j]
            nats = self.kernels.cross_entropy(score(seen + view(seen)).flatten(0, 1), far)
            total, counted = total + nats.sum(), counted + (far != IGNORED).sum()
        return self.weight * total / torch.clamp(torch.as_tensor(counted), min=1)
