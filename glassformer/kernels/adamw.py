"""AdamW: Adam with decoupled weight decay (Loshchilov and Hutter, 2019, algorithm 2; Kingma and Ba, 2015).

    m = beta1 m + (1 - beta1) g                    running mean of the gradient
    v = beta2 v + (1 - beta2) g^2                  running mean of its square
    w = w - lr * decay * w                         decay acts on the weight, not through the gradient
    w = w - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

m and v start at 0, so the first means are too small. Dividing by 1 - beta^t corrects that.
"""

import math

import torch
from torch import Tensor
from torch.optim.adamw import adamw


@torch.no_grad()
def plain(
    weights: list[Tensor], gradients: list[Tensor], means: list[Tensor], squares: list[Tensor],
    *, step: int, lr: float, beta1: float, beta2: float, eps: float, decay: float,
) -> None:  # fmt: skip
    """Update `weights`, `means` (m) and `squares` (v) in place. `step` is t and counts from 1."""
    for w, g, m, v in zip(weights, gradients, means, squares, strict=True):
        m.mul_(beta1).add_(g, alpha=1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        w.mul_(1 - lr * decay)
        denominator = v.sqrt() / math.sqrt(1 - beta2**step) + eps
        w.sub_(lr / (1 - beta1**step) * m / denominator)


@torch.no_grad()
def fused(
    weights: list[Tensor], gradients: list[Tensor], means: list[Tensor], squares: list[Tensor],
    *, step: int, lr: float, beta1: float, beta2: float, eps: float, decay: float,
) -> None:  # fmt: skip
    """The twin of `plain`: one kernel updates all tensors in one pass over memory."""
    before = [torch.tensor(float(step - 1), device=w.device) for w in weights]
    adamw(
        weights, gradients, means, squares, [], before, fused=True, amsgrad=False, beta1=beta1, beta2=beta2, lr=lr,
        weight_decay=decay, eps=eps, maximize=False,
    )  # fmt: skip
