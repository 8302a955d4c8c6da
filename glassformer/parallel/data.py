"""Data parallelism: every process reads other rows of the batch, and the gradients are summed over all of them.

    copied     each process has the whole model (DistributedDataParallel; Li et al., 2020)
    sharded    each process stores a part of every parameter, of its gradient and of the optimizer's state. A block's
               parameters are gathered just before the block computes and forgotten after it (FSDP2; Zhao et al., 2023;
               ZeRO, Rajbhandari et al., 2020). With groups of shards (HSDP) the gathering stays within a group, which may
               be one machine, and only gradients travel between groups.

The sum is not divided by the number of processes, as torch would by default: each process has divided its loss by the
number of tokens of all processes, and their own numbers of tokens differ where rows are padded or masked.
"""

from typing import Any

import torch
from torch import distributed, nn
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.nn.parallel import DistributedDataParallel

from glassformer.model.gpt import GPT
from glassformer.parallel.copies import Copies
from glassformer.parallel.mesh import Mesh
from glassformer.parallel.stages import Stage


def copied(model: GPT | Stage, mesh: Mesh) -> nn.Module:
    """The model with its gradients summed over the processes that read other rows or tokens."""
    group = mesh.group("replicate", "context")
    if group is None:
        return model
    if mesh.size("tensor") > 1:
        return Copies(model, group)
    wrapped = DistributedDataParallel(model, process_group=group)
    wrapped.register_comm_hook(group, _sum)
    return wrapped


def _sum(group: distributed.ProcessGroup, bucket: distributed.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """What DDP does with a bucket of gradients: the sum over the group, where its own hook gives the mean."""
    work = distributed.all_reduce(bucket.buffer(), group=group, async_op=True)
    assert work is not None
    return work.get_future().then(lambda done: done.value()[0])


def sharded(model: GPT | Stage, mesh: Mesh) -> nn.Module:
    """The same model, whose parameters are now DTensors: the blocks are gathered one by one, the rest with the model."""
    shards, groups = mesh.joined("shard", "context"), mesh.joined("replicate")
    if shards is None:
        return copied(model, mesh)
    grid = shards if groups is None else mesh.devices["replicate", *_names(shards)]
    for block in model.blocks:
        _shard(block, grid)
    _shard(model, grid)
    if isinstance(model, Stage):  # it reads many micro-batches in a step, and gathers for all of them at once
        model.set_reshard_after_forward(False)  # type: ignore[operator]
    else:
        register_fsdp_forward_method(model, "last")
        register_fsdp_forward_method(model, "hidden")
    return model


def _names(mesh: Any) -> tuple[str, ...]:
    return tuple(mesh.mesh_dim_names)


def _shard(module: nn.Module, grid: Any) -> None:
    fully_shard(module, mesh=grid)
    assert isinstance(module, FSDPModule)
    module.set_gradient_divide_factor(1.0)
    module.set_force_sum_reduction_for_comms(True)  # gloo has no other reduction
