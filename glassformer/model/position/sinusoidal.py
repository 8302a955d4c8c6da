"""Sinusoidal positions (Vaswani et al., 2017, section 3.5).

    P[t, 2i] = sin(t / base^(2i/C)),   P[t, 2i+1] = cos(t / base^(2i/C))

Like the hands of a clock, the waves turn at different speeds: neighbouring positions get similar vectors, distant ones
different vectors, and nothing is learned.
"""

import torch
from pydantic import PositiveFloat
from torch import Tensor

from glassformer.kernels import Kernels
from glassformer.kernels.rope import angles
from glassformer.model.position import Position, Scheme
from glassformer.model.shapes import Shapes


class Config(Position):
    """x_t = x_t + scale P[t]."""

    base: PositiveFloat = 10_000.0
    """The slowest wave repeats after about 2 pi base tokens."""
    scale: PositiveFloat = 0.02
    """The amplitude of the waves; embeddings start with a standard deviation of 0.02."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> Scheme:
        """No parameters."""
        return SinusoidalPositions(shapes.n_embd, self.base, self.scale)


class SinusoidalPositions(Scheme):
    """Computes the waves for each call; defined at any index."""

    def __init__(self, n_embd: int, base: float, scale: float):
        super().__init__()
        self.n_embd, self.base, self.scale = n_embd, base, scale

    def add(self, x: Tensor, index: Tensor) -> Tensor:
        """x (B, T, C) -> x plus the waves at `index`."""
        angle = angles(index, self.n_embd, self.base)  # (..., T, ceil(C/2))
        waves = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)[..., : self.n_embd]
        return x + self.scale * waves.to(x.dtype)
