"""Exponential moving average of the weights (Polyak and Juditsky, 1992, average all; Kingma and Ba, 2015, section 7.2).

    d = min(decay, (1 + t) / (10 + t))      after update t = 1, 2, ...
    a = d a + (1 - d) w

With a constant d near 1, the average of a short run would be its first weights. So d grows with t: it is 0.18 at t = 1 and
0.9 at t = 80, and reaches a decay of 0.999 at t = 8,990. At step t the average then looks back over about t / 9 steps, and
in the end over 1 / (1 - decay).
"""

import torch
from torch import Tensor


@torch.no_grad()
def plain(averages: list[Tensor], weights: list[Tensor], *, step: int, decay: float) -> None:
    """Update `averages` (a) in place. `step` is t and counts from 1."""
    d = min(decay, (1 + step) / (10 + step))
    for a, w in zip(averages, weights, strict=True):
        a.copy_(d * a + (1 - d) * w)


@torch.no_grad()
def fused(averages: list[Tensor], weights: list[Tensor], *, step: int, decay: float) -> None:
    """The twin of `plain`: one call for all tensors, and one pass over each."""
    if averages:
        torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + step) / (10 + step)))
