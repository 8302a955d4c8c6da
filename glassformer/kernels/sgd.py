"""Stochastic gradient descent with momentum (Sutskever et al., 2013, eq. 3 and 4), and weight decay apart from the gradient
(Loshchilov and Hutter, 2019, algorithm 1).

    m = momentum m + g
    w = w - lr decay w
    w = w - lr (g + momentum m)    with Nesterov's look ahead,    or    w = w - lr m    without it
"""

import torch
from torch import Tensor


@torch.no_grad()
def plain(
    weights: list[Tensor], gradients: list[Tensor], sums: list[Tensor],
    *, lr: float, momentum: float, nesterov: bool, decay: float,
) -> None:  # fmt: skip
    """Update `weights` and `sums` (m) in place."""
    for w, g, m in zip(weights, gradients, sums, strict=True):
        m.mul_(momentum).add_(g)
        w.mul_(1 - lr * decay)
        w.sub_(lr * (g + momentum * m if nesterov else m))


@torch.no_grad()
def fused(
    weights: list[Tensor], gradients: list[Tensor], sums: list[Tensor],
    *, lr: float, momentum: float, nesterov: bool, decay: float,
) -> None:  # fmt: skip
    """The twin of `plain`: each operator handles all tensors in one call."""
    if not weights:
        return
    torch._foreach_mul_(sums, momentum)
    torch._foreach_add_(sums, gradients)
    torch._foreach_mul_(weights, 1 - lr * decay)
    if nesterov:
        torch._foreach_add_(weights, gradients, alpha=-lr)
    torch._foreach_add_(weights, sums, alpha=-lr * (momentum if nesterov else 1))
