"""Rotary position embedding (Su et al., 2021, eq. 34), in the half-split layout of GPT-NeoX and Llama.

    theta_i = base^(-2i/D),  i = 0 .. D/2-1
    (y_i, y_{i+D/2}) = (x_i cos(p theta_i) - x_{i+D/2} sin(p theta_i),
                        x_i sin(p theta_i) + x_{i+D/2} cos(p theta_i))

Each pair of numbers is turned by an angle that grows with the position p. The dot product of a query and a key then
depends on the distance between them and not on where they stand. If only a part of each head is turned, D is the width of
that part.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from glassformer.kernels._rows import serves


def frequencies(width: int, base: float, device: torch.device) -> Tensor:
    """theta_i = 1 / base^(2i/width), (width/2,) in float32: radians per token.

    Written as every reference does: base^(-2i/width) is rounded otherwise, and after 8,000 tokens one turns apart by 1e-3.
    """
    return 1.0 / base ** (torch.arange(0, width, 2, device=device).float() / width)


def angles(positions: Tensor, width: int, base: float) -> Tensor:
    """positions (...) -> p * theta_i, (..., width/2) in float32."""
    return positions[..., None].float() * frequencies(width, base, positions.device)


def plain(q: Tensor, k: Tensor, angle: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """q (B, H, T, D), k (B, G, T, D), angle (T, W/2) or (B, 1, T, W/2) -> q and k with their first W <= D numbers turned.

    The turned numbers are also multiplied by `temperature` (see model/position/rope/scaling/yarn.py).
    """
    return _turn(q, angle, temperature), _turn(k, angle, temperature)


def _turn(x: Tensor, angle: Tensor, temperature: float) -> Tensor:
    cos, sin = (temperature * angle.cos()).to(x.dtype), (temperature * angle.sin()).to(x.dtype)
    half = angle.shape[-1]
    first, second, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return torch.cat([first * cos - second * sin, first * sin + second * cos, rest], dim=-1)


def fused(q: Tensor, k: Tensor, angle: Tensor, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """The twin of `plain`: sine and cosine are computed once, and each tensor is read twice instead of four times."""
    cos, sin = temperature * angle.cos(), temperature * angle.sin()
    if serves(q, k) and angle.ndim == 2 and not angle.requires_grad:
        return Rows.apply(q, cos, sin), Rows.apply(k, cos, sin)
    cos, sin = torch.cat([cos, cos], -1).to(q.dtype), torch.cat([-sin, sin], -1).to(q.dtype)
    return _turn_at_once(q, cos, sin), _turn_at_once(k, cos, sin)


def _turn_at_once(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    width = cos.shape[-1]
    turned = x[..., :width]
    turned = torch.addcmul(turned * cos, turned.roll(width // 2, -1), sin)
    return turned if width == x.shape[-1] else torch.cat([turned, x[..., width:]], -1)


class Rows(torch.autograd.Function):
    """The same in compiled loops (`_rows_cpu.py`), in one pass that also brings the heads together for the products."""

    @staticmethod
    def forward(ctx, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x (B, H, T, D), cos and sin (T, W/2) -> (B, H, T, D)."""
        ctx.save_for_backward(cos, sin)
        return _by_loops(x.transpose(1, 2), cos, sin, time_first=True)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor) -> tuple[Tensor, None, None]:
        """A gradient is turned back."""
        cos, sin = ctx.saved_tensors
        return _by_loops(dy, cos, -sin, time_first=False).transpose(1, 2), None, None


def _by_loops(x: Tensor, cos: Tensor, sin: Tensor, time_first: bool) -> Tensor:
    """x (B, P, Q, D) -> (B, Q, P, D), turned."""
    from glassformer.kernels import _rows_cpu as loops

    B, P, Q, D = x.shape
    y = x.new_empty(B, Q, P, D)
    *angles, out = map(loops.array, (cos.float().contiguous(), sin.float().contiguous(), y))
    loops.in_parallel(loops.turn, B, loops.array(x.contiguous()), *angles, time_first, out)
    return y
