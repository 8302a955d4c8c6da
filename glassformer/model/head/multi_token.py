"""Multi-token prediction (Gloeckle et al., 2024): from one place, the next token and the ones after it.

    logits_j(t) = score(x_t + W_j x_t)        for token t + 1 + j,  j = 1 .. n_ahead

with the scores of the next token: x W_embed^T and whatever the model does to them. The farther heads exist for training
only: they reward a stream that plans. Writing uses the next token's scores.
"""

from collections.abc import Callable

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from glassformer.kernels import Kernels
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.head import Head
from glassformer.model.linear import Linear
from glassformer.model.shapes import Shapes


class Ahead(Head):
    """A tied head, and `n_ahead` views of the stream that look further."""

    n_ahead: PositiveInt = 1
    """How many tokens after the next are predicted too."""
    weight: NonNegativeFloat = 0.3
    """What a nat of theirs counts beside one of the next token's."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """n_ahead C^2 parameters."""
        return AheadHead(shapes, self, kernels)


class AheadHead(nn.Module):
    """Scores by the dot product with the embedding, as a tied head."""

    def __init__(self, shapes: Shapes, config: Ahead, kernels: Kernels):
        super().__init__()
        self.kernels, self.weight = kernels, config.weight
        self.views = nn.ModuleList(Linear(shapes.n_embd, shapes.n_embd, False, kernels) for _ in range(config.n_ahead))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (..., C), embedding (V, C) -> (..., V)."""
        return self.kernels.linear(x, embedding)

    def auxiliary_loss(
        self, x: Tensor, score: Callable[[Tensor], Tensor], targets: Tensor, documents: Tensor | None = None
    ) -> Tensor:
        """`weight` times the mean nats of all farther predictions whose target is counted and of the same document."""
        total, counted, open_road = x.new_zeros((), dtype=torch.float32), 0, targets != IGNORED
        for j, view in enumerate(self.views, start=1):
            open_road = open_road[:, :-1] & (targets[:, j:] != IGNORED)  # nothing on the way may be uncounted
            if documents is not None:
                open_road = open_road & (documents[:, j:] == documents[:, :-j])
            far = targets[:, j:].where(open_road, IGNORED).flatten()
            seen = x[:, :-j]
            nats = self.kernels.cross_entropy(score(seen + view(seen)).flatten(0, 1), far)
            total, counted = total + nats.sum(), counted + (far != IGNORED).sum()
        return self.weight * total / torch.clamp(torch.as_tensor(counted), min=1)
