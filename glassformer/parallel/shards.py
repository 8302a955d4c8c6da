"""Shards: the part of a tensor that this process stores, and the whole tensor.

A sharded parameter is a DTensor. It says that it has the shape of the whole, and holds only its own rows (`local`). What
computes number by number (AdamW, an average of the weights) runs on the local parts; what needs a whole matrix (Muon), or
writes it to a disk, gathers it from all processes first.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, distributed, nn


def is_sharded(tensor: Tensor) -> bool:
    """Whether other processes hold parts of it."""
    return hasattr(tensor, "to_local")


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process stores, which shares its memory; a tensor that is not sharded is its own."""
    return tensor.to_local() if is_sharded(tensor) else tensor  # type: ignore[operator]


def locals_of(tensors: Iterable[Tensor]) -> list[Tensor]:
    """`local` of each."""
    return [local(tensor) for tensor in tensors]


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


def norms(groups: Iterable[Iterable[Tensor]]) -> Tensor:
    """The Euclidean norm of each group of tensors, over the parts of all processes: (n,) in float32 or wider.

    Every number counts once, however a tensor is divided: the squares of a part are added up over the processes that hold
    the other parts, and not over those that hold a copy.
    """
    groups = [list(group) for group in groups]
    device = next((local(t).device for group in groups for t in group), torch.device("cpu"))
    sums: dict[Any, Tensor] = {}
    for i, group in enumerate(groups):
        for tensor in group:
            part = local(tensor)
            wide = part if part.dtype == torch.float64 else part.float()
            key = _divided_over(tensor)
            if key not in sums:
                sums[key] = torch.zeros(len(groups), dtype=torch.float64, device=device)
            sums[key][i] += wide.square().sum()
    total = torch.zeros(len(groups), dtype=torch.float64, device=device)
    for key, squares in sums.items():
        for grid, dimension in key:
            distributed.all_reduce(squares, group=grid.get_group(dimension))
        total += squares
    return total.sqrt()


def _divided_over(tensor: Tensor) -> tuple[tuple[Any, int], ...]:
    """(mesh, dimension) of every dimension of a grid over which a tensor is divided."""
    if not is_sharded(tensor):
        return ()
    assert not any(place.is_partial() for place in tensor.placements)  # type: ignore[attr-defined]
    grid, places = tensor.device_mesh, tensor.placements  # type: ignore[attr-defined]
    return tuple((grid, i) for i, place in enumerate(places) if place.is_shard())
