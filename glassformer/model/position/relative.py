"""Relative bias in buckets (T5: Raffel et al., 2020, section 2.1), the causal form.

    bias_ts = W[bucket(t - s), h]

Half of the buckets hold one distance each, 0, 1, 2 ...; the other half widen logarithmically up to `max_distance`, and the
last one also holds all larger distances. One table serves all layers, as in T5.
"""

import math
from typing import ClassVar, Self

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor

from glassformer.kernels import Kernels, fused
from glassformer.model.embedding import Embedding
from glassformer.model.position import Position, Scheme
from glassformer.model.roles import Cut
from glassformer.model.shapes import Shapes


class Config(Position):
    """A learned number for each head and range of distances."""

    buckets: PositiveInt = Field(default=32, ge=2)
    """The number of ranges of distances that get biases of their own."""
    max_distance: PositiveInt = 128
    """All distances from here on share one bucket."""

    @model_validator(mode="after")
    def _widening(self) -> Self:
        if self.max_distance <= self.buckets // 2:
            raise ValueError(
                f"max_distance={self.max_distance} must be above buckets / 2 = {self.buckets // 2}; raise it"
            )
        return self

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> Scheme:
        """buckets x H parameters."""
        return RelativeBias(shapes, self, kernels or fused())


class RelativeBias(Scheme):
    """Looks up a bias for every query and key; defined at any index."""

    cuts: ClassVar[dict[str, Cut]] = {"table": "shared"}

    def __init__(self, shapes: Shapes, config: Config, kernels: Kernels):
        super().__init__()
        self.max_distance = config.max_distance
        self.table = Embedding(config.buckets, shapes.n_head, kernels)

    def bias(self, q_index: Tensor, k_index: Tensor) -> Tensor:
        """q_index (..., T), k_index (..., S) -> (..., H, T, S)."""
        distance = (q_index[..., :, None] - k_index[..., None, :]).clamp(min=0)
        chosen = bucket(distance, self.table.weight.shape[0], self.max_distance)
        return self.table(chosen).movedim(-1, -3)


def bucket(distance: Tensor, buckets: int, max_distance: int) -> Tensor:
    """distance (...) int64, not negative -> the number of its bucket, int64."""
    exact = buckets // 2
    wide = (distance.clamp(min=1).float() / exact).log() / math.log(max_distance / exact) * (buckets - exact)
    return torch.where(distance < exact, distance, (exact + wide.long()).clamp(max=buckets - 1))
