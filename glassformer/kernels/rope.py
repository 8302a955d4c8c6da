"""Rotary position embedding (Su et al., 2021, eq. 34), in the half-split layout of GPT-NeoX and Llama.

    theta_i = base^(-2i/D),  i = 0 .. D/2-1
    (y_i, y_{i+D/2}) = (x_i cos(p theta_i) - x_{i+D/2} sin(p theta_i),
                        x_i sin(p theta_i) + x_{i+D/2} cos(p theta_i))

Each pair of numbers is turned by an angle that grows with the position p, so the dot product of a query and a key
depends on how far apart they stand and not on where.
"""

import torch
from torch import Tensor


def angles(positions: Tensor, head_dim: int, base: float) -> Tensor:
    """positions (...) -> p * theta_i, (..., D/2) in float32."""
    i = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32)
    return positions[..., None].float() * base ** (-i / head_dim)


def plain(q: Tensor, k: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """q (B, H, T, D), k (B, G, T, D), angle (T, D/2) or (B, 1, T, D/2) -> both, turned."""
    return _turn(q, angle), _turn(k, angle)


def _turn(x: Tensor, angle: Tensor) -> Tensor:
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def fused(q: Tensor, k: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """The twin of `plain`: the sine and cosine are taken once and each tensor is read twice instead of four times."""
    cos, sin = angle.cos(), angle.sin()
    cos, sin = torch.cat([cos, cos], -1).to(q.dtype), torch.cat([-sin, sin], -1).to(q.dtype)
    half = q.shape[-1] // 2
    return torch.addcmul(q * cos, q.roll(half, -1), sin), torch.addcmul(k * cos, k.roll(half, -1), sin)
