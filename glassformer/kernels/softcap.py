"""Logit soft-cap (Gemma 2, 2024; Bello et al., 2016).

    y = cap tanh(z / cap)

Small scores pass almost unchanged, and none can grow beyond `cap`, so a single score cannot dominate the softmax.
"""

import torch
from torch import Tensor


def plain(z: Tensor, cap: float) -> Tensor:
    """z (...) -> the same shape, within (-cap, cap)."""
    return cap * (z / cap).tanh()


def fused(z: Tensor, cap: float) -> Tensor:
    """The twin of `plain`: without a gradient, the product overwrites tanh(z / cap) instead of taking new memory."""
    y = torch.tanh(z / cap)
    return y * cap if y.requires_grad else y.mul_(cap)
