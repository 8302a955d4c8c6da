"""Many processes train one model: the layouts are applied to a built model, which knows nothing of them.

    config.py       the settings, `parallel.*` of a recipe, and the layout that they give for a number of processes
    world.py        the processes meet, and agree that they train the same
    mesh.py         which process is where in the layout, and the groups that exchange numbers
    tensor.py       tensor and sequence parallelism: the matrices of a layer are divided (parts.py: how they compute)
    pipeline.py     pipeline parallelism: the blocks are divided (stages.py cuts the model)
    context.py      context parallelism: the tokens of a row are divided
    data.py         data parallelism: copies of the model (DDP), shards of it (FSDP2), groups of shards (HSDP)
    copies.py       copies whose gradients DDP cannot sum
    cost.py         what each process stores and sends, by formula
    collectives.py  how processes exchange tensors, and the gradients of that
    shards.py       the part of a tensor that this process stores, and the whole
    weights.py      the first weights of a model that no process has whole
"""

from torch import nn

from glassformer.model.gpt import GPT
from glassformer.parallel.config import Layout, Parallel
from glassformer.parallel.mesh import Mesh

__all__ = ["Mesh", "Parallel", "parallelize"]


def parallelize(model: GPT, mesh: Mesh, config: Parallel) -> nn.Module:
    """The model divided over the processes of `mesh`; every process calls this with the same model.

    The gradients of the module that is returned are sums over the processes (not means), because the loss that each of
    them computes is divided by the number of tokens of all.
    """
    from glassformer.parallel import context, pipeline, tensor  # torch takes seconds to import what these need
    from glassformer.parallel.data import copied, sharded

    check(model, mesh.layout, config)
    group = mesh.group("pipeline")
    line = None if group is None else pipeline.Pipeline(model, group, config.schedule)
    if tensors := mesh.joined("tensor"):
        tensor.divided(model, tensors, config.sequence)
    if tokens := mesh.joined("context"):
        context.divided(model, tokens)
    if line is None:
        return sharded(model, mesh) if config.shard else copied(model, mesh)
    line.begin((lambda stage: sharded(stage, mesh)) if config.shard else lambda stage: stage)
    line.copies = None if config.shard else mesh.group("replicate")
    line.split = mesh.size("tensor") if config.sequence else 1
    return line


def check(model: GPT, layout: Layout, config: Parallel) -> None:
    """Raises SettingError, with the nearest setting that works, for what a layout cannot do with this model."""
    from glassformer.parallel import context, pipeline, tensor

    if layout.tensor > 1:
        tensor.check(model, layout.tensor)
    if layout.context > 1:
        context.check(model, layout.context)
    if layout.pipeline > 1:
        pipeline.refuse(model, config, layout)
