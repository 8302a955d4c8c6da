"""The norm of the gradient when the parameters are divided among processes, and clipping to it.

    |g|^2 = sum over processes and parameters of |part|^2 / copies

`copies` is how many processes hold the same part. So a parameter that all have counts once and a part that one has counts
once, and one sum over all processes gives the true global norm in every layout. torch's `clip_grad_norm_` does not: with
tensor parallelism it counts what is not divided once per process.
"""

from collections.abc import Collection, Iterable

import torch
from torch import Tensor, distributed, nn
from torch.distributed.tensor import DTensor

from glassformer.kernels.precision import wide
from glassformer.parallel.mesh import Mesh


@torch.no_grad()
def clip(parameters: Iterable[nn.Parameter], limit: float, mesh: Mesh, twice: Collection[nn.Parameter] = ()) -> Tensor:
    """Scale the gradients of this process's `parameters` in place; returns their global norm before that, a scalar.

    `twice` are parameters that another stage of the pipeline also has, and counts. Every process must call it.
    """
    given = [p for p in parameters if p.grad is not None]
    skipped = {id(p) for p in twice}
    total = torch.zeros((), dtype=torch.float64, device=mesh.devices.device_type)
    for p in given:
        if id(p) not in skipped:
            g = wide(local(p.grad))
            total += (g * g).sum().double() * parts(p) / (mesh.layout.world / mesh.layout.pipeline)
    if mesh.layout.world > 1:
        distributed.all_reduce(total)
    norm = total.sqrt()
    for p in given:
        local(p.grad).mul_((limit / (norm + 1e-6)).clamp(max=1.0).to(p.grad.dtype))
    return norm


def local(t: Tensor) -> Tensor:
    """The part of a tensor that this process holds."""
    return t.to_local() if isinstance(t, DTensor) else t


def parts(p: Tensor) -> int:
    """In how many different parts a parameter is stored."""
    if not isinstance(p, DTensor):
        return 1
    divided = [size for size, where in zip(p.device_mesh.shape, p.placements, strict=True) if not where.is_replicate()]
    return int(torch.tensor(divided).prod()) if divided else 1
