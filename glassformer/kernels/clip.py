"""Gradient clipping by global norm (Pascanu, Mikolov and Bengio, 2013).

    g = g * min(1, limit / |g|),   |g| = sqrt(sum over all tensors of g^2)

One bad batch may have a huge gradient in a wrong direction. Clipping limits how far it can move the weights.
"""

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from glassformer.kernels.precision import wide


@torch.no_grad()
def plain(weights: list[Tensor], limit: float, norm: Tensor | None = None) -> Tensor:
    """Scale the `.grad` of `weights` in place. Returns the norm before clipping, a scalar, 0 if there are no gradients.

    The norm is computed in float32 or wider, for gradients of any dtype. Where other processes hold more gradients, `norm`
    is that of all.
    """
    gradients = [w.grad for w in weights if w.grad is not None]
    if norm is None:
        norm = sum(((g * g).sum() for g in map(wide, gradients)), start=torch.zeros(())).sqrt()
    for g in gradients:
        g.mul_((limit / (norm + 1e-6)).clamp(max=1.0))
    return norm


@torch.no_grad()
def fused(weights: list[Tensor], limit: float, norm: Tensor | None = None) -> Tensor:
    """The twin of `plain`."""
    gradients = [w.grad for w in weights if w.grad is not None]
    if norm is None:
        norm = get_total_norm([g if g is wide(g) else torch.linalg.vector_norm(g, dtype=torch.float32) for g in gradients])
    clip_grads_with_norm_(weights, limit, norm)
    return norm
