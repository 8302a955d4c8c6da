"""Sinusoidal positions (Vaswani et al., 2017, section 3.5).

    P[t, 2i] = sin(t / base^(2i/C)),   P[t, 2i+1] = cos(t / base^(2i/C))

A clock with many hands: neighbouring places look alike, distant ones differ, and nothing is learned.
"""

import torch
from pydantic import PositiveFloat
from torch import Tensor

from glassformer.kernels import Kernels
from glassformer.kernels.rope import angles
from glassformer.model.position import Position, Scheme
from glassformer.model.shapes import Shapes


class Sinusoidal(Position):
    """x_t = x_t + scale P[t]."""

    base: PositiveFloat = 10_000.0
    """The slowest hand turns once in about 2 pi base tokens."""
    scale: PositiveFloat = 0.02
    """The size of the waves beside embeddings that start with a standard deviation of 0.02."""

    def build(self, shapes: Shapes, kernels: Kernels) -> Scheme:
        """No parameters."""
        return SinusoidalScheme(shapes.n_embd, self.base, self.scale)


class SinusoidalScheme(Scheme):
    """Computes the rows it needs; defined at any index."""

    def __init__(self, n_embd: int, base: float, scale: float):
        super().__init__()
        self.n_embd, self.base, self.scale = n_embd, base, scale

    def add(self, x: Tensor, index: Tensor) -> Tensor:
        """x (B, T, C) -> x plus the waves at `index`."""
        angle = angles(index, self.n_embd, self.base)  # (..., T, ceil(C/2))
        waves = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)[..., : self.n_embd]
        return x + self.scale * waves.to(x.dtype)
