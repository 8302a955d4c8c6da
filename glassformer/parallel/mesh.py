"""The mesh: where this process is in the grid of processes, and the groups with which it exchanges numbers.

The model, the batches and the trainer are written for one process. What they must know of the others is here: which rows of
a batch this process reads, over which processes a sum goes, which process writes.
"""

import json
from typing import Any

import torch
from torch import distributed
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from glassformer.parallel.config import Layout


def texts_of(own: Any, group: distributed.ProcessGroup) -> list[Any]:
    """What each process of a group gives, made of JSON's types: nothing is pickled."""
    device = torch.device("cuda") if distributed.get_backend(group) == "nccl" else torch.device("cpu")
    mine = torch.tensor(list(json.dumps(own).encode()), dtype=torch.uint8, device=device)
    lengths = torch.zeros(group.size(), dtype=torch.int64, device=device)
    lengths[group.rank()] = len(mine)
    distributed.all_reduce(lengths, group=group)
    table = torch.zeros(group.size(), int(lengths.max()), dtype=torch.uint8, device=device)
    table[group.rank(), : len(mine)] = mine
    distributed.all_reduce(table, group=group)
    return [json.loads(bytes(row[:n].tolist())) for row, n in zip(table, lengths.tolist())]


class Mesh:
    """The grid of a layout. Every process of the world builds it, after they have found each other.

    Only dimensions with more than one process exist in `devices`, the DeviceMesh that torch's own tools take.

    >>> mesh = Mesh(Parallel(shard=True, tensor=2).layout(8), "cpu")     # in each of 8 processes
    >>> mesh.size("shard"), mesh.size("tensor"), mesh.count
    (4, 2, 4)
    """

    def __init__(self, layout: Layout, device_type: str) -> None:
        assert layout.world == distributed.get_world_size()
        self.layout = layout
        sizes = layout.sizes or {"shard": 1}
        self.devices: DeviceMesh = init_device_mesh(
            device_type, tuple(sizes.values()), mesh_dim_names=tuple(sizes.keys())
        )
        self._joined: dict[tuple[str, ...], DeviceMesh | None] = {}

    def size(self, dimension: str) -> int:
        """How many processes a dimension has; 1 if the layout does not divide it."""
        return getattr(self.layout, dimension)

    def at(self, dimension: str) -> int:
        """The place of this process along a dimension, from 0."""
        return self.devices.get_local_rank(dimension) if self.size(dimension) > 1 else 0

    def joined(self, *dimensions: str) -> DeviceMesh | None:
        """The mesh of one dimension over all processes that differ from this one in `dimensions` only; None if that is this
        one alone. The first call of a combination must be made by every process."""
        there = tuple(name for name in dimensions if self.size(name) > 1)
        if there not in self._joined:
            if len(there) < 2:
                self._joined[there] = self.devices[there[0]] if there else None
            elif len(there) == len(self.layout.sizes):
                self._joined[there] = self.devices._flatten("_".join(there))
            else:
                self._joined[there] = self.devices[there]._flatten("_".join(there))
        return self._joined[there]

    def group(self, *dimensions: str) -> distributed.ProcessGroup | None:
        """The processes of `joined`; None if that is this one alone."""
        mesh = self.joined(*dimensions)
        return mesh.get_group() if mesh is not None else None

    def sum(self, number: float, *dimensions: str, device: torch.device) -> float:
        """The sum of `number` over the processes that differ in `dimensions` only. Each of them must call it."""
        group = self.group(*dimensions)
        if group is None:
            return number
        total = torch.tensor(number, dtype=torch.float64, device=device)
        distributed.all_reduce(total, group=group)
        return total.item()

    @property
    def count(self) -> int:
        """How many shares a batch has: the processes that read different rows."""
        return self.layout.data

    @property
    def rank(self) -> int:
        """The share of a batch that this process reads. Processes that differ in other dimensions read the same rows."""
        return self.at("replicate") * self.layout.shard + self.at("shard")

    @property
    def writes(self) -> bool:
        """Whether this process writes the run folder; one of the world does."""
        return distributed.get_rank() == 0
