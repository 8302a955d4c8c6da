"""Weights as 4-bit whole numbers, in groups of 32 along a row with one scale each, rounded to nearest. Small groups are
what makes 4 bits work (Dettmers and Zettlemoyer, 2023, "The case for 4-bit precision").

    s_rg = max_{k in g} |w_rk| / 7                 kept as bf16, rounded up, so that no weight is cut off
    q_rk = round(w_rk / s_rg)                      a whole number from -7 to 7
    w_rk ~ s_rg q_rk                               wrong by s_rg / 2 at most

With its scale a weight takes 4.5 bits, a seventh of float32's memory. `tiles.py` has the order in which the numbers are
kept.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

GROUP = 32
"""Weights that share a scale."""


def quantize(w: Tensor) -> tuple[Tensor, Tensor]:
    """w (M, K) -> q (M, K) int8 and s (M, ceil(K / 32)) bf16.

    >>> quantize(torch.tensor([[0.875, -0.5, 0.125]]))
    (tensor([[ 7, -4,  1]], dtype=torch.int8), tensor([[0.1250]], dtype=torch.bfloat16))
    """
    K = w.shape[1]
    groups = F.pad(w.float(), (0, -K % GROUP)).unflatten(1, (-1, GROUP))  # (M, G, 32)
    s = _up(groups.abs().amax(2) / 7)
    q = (groups / s.where(s > 0, 1)[..., None]).round()
    return q.to(torch.int8).flatten(1)[:, :K], s.to(torch.bfloat16)


def dequantize(q: Tensor, s: Tensor) -> Tensor:
    """q (M, K), s (M, G) -> (M, K) float32."""
    K = q.shape[1]
    return (F.pad(q, (0, -K % GROUP)).unflatten(1, (-1, GROUP)) * s.float()[..., None]).flatten(1)[:, :K]


def _up(x: Tensor) -> Tensor:
    """Positive float32 -> the next bf16 that is not smaller, as float32: the lower 16 bits become 0."""
    return ((x.view(torch.int32) + 0xFFFF) & ~0xFFFF).view(torch.float32)
