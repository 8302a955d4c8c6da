"""Lion: the sign of a running mean of the gradient (Chen et al., 2023, "Symbolic Discovery of Optimization Algorithms",
algorithm 2).

    c = beta1 m + (1 - beta1) g
    w = w - lr (sign(c) + decay w)
    m = beta2 m + (1 - beta2) g

Every weight moves by the learning rate, up or down. So the rate is 3 to 10 times smaller than AdamW's, and the decay that
much larger.
"""

import torch
from torch import Tensor


@torch.no_grad()
def plain(
    weights: list[Tensor], gradients: list[Tensor], means: list[Tensor],
    *, lr: float, beta1: float, beta2: float, decay: float,
) -> None:  # fmt: skip
    """Update `weights` and `means` (m) in place."""
    for w, g, m in zip(weights, gradients, means, strict=True):
        c = beta1 * m + (1 - beta1) * g
        w.mul_(1 - lr * decay)
        w.sub_(lr * c.sign())
        m.mul_(beta2).add_(g, alpha=1 - beta2)


@torch.no_grad()
def fused(
    weights: list[Tensor], gradients: list[Tensor], means: list[Tensor],
    *, lr: float, beta1: float, beta2: float, decay: float,
) -> None:  # fmt: skip
    """The twin of `plain`: each operator handles all tensors in one call."""
    if not weights:
        return
    moves = torch._foreach_mul(means, beta1)
    torch._foreach_add_(moves, gradients, alpha=1 - beta1)
    torch._foreach_sign_(moves)
    torch._foreach_mul_(weights, 1 - lr * decay)
    torch._foreach_add_(weights, moves, alpha=-lr)
    torch._foreach_mul_(means, beta2)
    torch._foreach_add_(means, gradients, alpha=1 - beta2)
