"""Shards: the part of a tensor that this process stores, and the whole tensor.

A sharded parameter is a DTensor. It says that it has the shape of the whole, and holds only its own rows (`local`). What
computes number by number (AdamW, an average of the weights) runs on the local parts; what needs a whole matrix (Muon), or
writes it to a disk, gathers it from all processes first.
"""

from collections.abc import Iterable, Mapping
from math import prod

import torch
from torch import Tensor, distributed, nn

from glassformer.kernels.precision import wide
from glassformer.parallel.mesh import Mesh


def is_sharded(tensor: Tensor) -> bool:
    """Whether other processes hold parts of it."""
    return hasattr(tensor, "to_local")


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process stores, which shares its memory; a tensor that is not sharded is its own."""
    return tensor.to_local() if is_sharded(tensor) else tensor  # type: ignore[operator]


def locals_of(tensors: Iterable[Tensor]) -> list[Tensor]:
    """`local` of each."""
    return [local(tensor) for tensor in tensors]


def gradients(params: Iterable[Tensor]) -> list[Tensor]:
    """The gradients of parameters that all have one."""
    found = [p.grad for p in params]
    return [g for g in found if g is not None]


def with_gradient(p: nn.Parameter) -> Tensor:
    """The local part of a parameter, whose `.grad` is the local part of its gradient."""
    if not is_sharded(p):
        return p
    part = local(p).detach()
    part.grad = None if p.grad is None else local(p.grad)
    return part


def whole(tensor: Tensor) -> Tensor:
    """The whole tensor. Every process that holds a part must call it."""
    return tensor.full_tensor() if is_sharded(tensor) else tensor  # type: ignore[operator]


def divided_as(full: Tensor, pattern: Tensor) -> Tensor:
    """A tensor that every process has whole, divided as `pattern` is; each keeps its own part, and nothing is sent."""
    if not is_sharded(pattern):
        return full.to(pattern.device)
    from torch.distributed.tensor import distribute_tensor

    grid, places = pattern.device_mesh, pattern.placements  # type: ignore[attr-defined]
    return distribute_tensor(full.to(pattern.device), grid, places, src_data_rank=None)


@torch.no_grad()
def assign(tensor: Tensor, full: Tensor) -> None:
    """Copy a whole tensor into one that may be divided: each process takes its own part."""
    local(tensor).copy_(local(divided_as(full, tensor)))


def gathered(tensors: Mapping[str, Tensor], keeps: bool) -> dict[str, Tensor]:
    """The whole tensors by name, gathered one after the other; where `keeps` is false, {}. Every process must call it."""
    found = {}
    for name, tensor in tensors.items():
        full = whole(tensor.detach())
        if keeps:
            found[name] = full.cpu() if is_sharded(tensor) else full
    return found


@torch.no_grad()
def norms(groups: Iterable[Iterable[Tensor]], mesh: Mesh) -> Tensor:
    """The Euclidean norm of each group of tensors, over the parts of all processes: (n,) float64. Every process calls it.

        |g|^2 = sum over processes and tensors of |part|^2 / copies

    `copies` is how many processes hold the same part. So a tensor that all have counts once, and so does a part that one
    has, and one sum over all processes gives the true norm in every layout. torch's `clip_grad_norm_` does not: with
    tensor parallelism it counts what is not divided once per process. The stages of a pipeline have different tensors.
    """
    stage, groups = mesh.layout.world / mesh.layout.pipeline, [list(group) for group in groups]
    total = torch.zeros(len(groups), dtype=torch.float64, device=mesh.devices.device_type)
    for i, group in enumerate(groups):
        for t in group:
            total[i] += wide(local(t)).square().sum() * (n_parts(t) / stage)
    if mesh.layout.world > 1:
        distributed.all_reduce(total)
    return total.sqrt()


def n_parts(tensor: Tensor) -> int:
    """In how many different parts a tensor is stored."""
    if not is_sharded(tensor):
        return 1
    grid, places = tensor.device_mesh, tensor.placements  # type: ignore[attr-defined]
    return prod(size for size, place in zip(grid.shape, places, strict=True) if not place.is_replicate())
