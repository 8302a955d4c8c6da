"""Clipping to the norm of the gradient when the parameters are divided among processes (shards.py, `norms`)."""

from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn

from glassformer.parallel.mesh import Mesh
from glassformer.parallel.shards import local, norms


@torch.no_grad()
def clip(parameters: Iterable[nn.Parameter], limit: float, mesh: Mesh, twice: Collection[nn.Parameter] = ()) -> Tensor:
    """Scale the gradients of this process's `parameters` in place; returns their global norm before that, a scalar.

    `twice` are parameters that another stage of the pipeline also has, and counts. Every process must call it.
    """
    given = [p for p in parameters if p.grad is not None]
    skipped = {id(p) for p in twice}
    norm = norms([[p.grad for p in given if id(p) not in skipped]], mesh)[0]
    for p in given:
        local(p.grad).mul_((limit / (norm + 1e-6)).clamp(max=1.0).to(p.grad.dtype))
    return norm
