"""Scaling: how a model with rotary positions that was trained on short texts reads longer ones.

RoPE rotates pair i of a head by position x theta_i. Beyond the trained length the slow pairs reach angles that no weight
has seen. Each variant slows some of the pairs down. `factor` is how many times longer the texts become; the trained length
is context_length / factor unless `original` says otherwise.
"""

import abc
from typing import Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from glassformer.config import Variant


class Scaling(Variant):
    """Decides how fast each pair rotates."""

    @abc.abstractmethod
    def frequencies(self, base: float, width: int, context_length: int, device: torch.device) -> Tensor:
        """theta for a width of that many numbers: (width/2,) float32, in radians per token."""

    @property
    def temperature(self) -> float:
        """The factor on rotated queries and on rotated keys where a softmax compares them; scores get its square."""
        return 1.0


class Stretched(Scaling):
    """The settings of all variants but `none`."""

    factor: PositiveFloat = Field(default=4.0, ge=1)
    """How many times longer the texts are than those that the model was trained on."""
    original: PositiveInt | None = None
    """The length the model was trained on, in tokens; null means context_length / factor."""

    def trained(self, context_length: int) -> float:
        """`original` with its default filled in."""
        return self.original or context_length / self.factor


class Graded(Stretched):
    """The settings of variants that slow a pair down by how often it rotates within the trained length."""

    fast: PositiveFloat
    """Pairs that rotate more often than this within the trained length stay as they are."""
    slow: PositiveFloat = 1.0
    """Pairs that rotate less often than this become `factor` times slower."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.fast <= self.slow:
            raise ValueError(f"fast={self.fast:g} turns must be above slow={self.slow:g}; raise fast or lower slow")
        return self
