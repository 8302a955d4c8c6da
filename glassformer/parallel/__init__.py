"""Many processes train one model: the layouts are applied to a built model, which knows nothing of them.

    config.py       the settings, `parallel.*` of a recipe, and the layout that they give for a number of processes
    mesh.py         which process is where in the layout, and the groups that exchange numbers
    shards.py       the part of a tensor that this process stores, and the whole
    data.py         data parallelism: copies of the model (DDP), shards of it (FSDP2), groups of shards (HSDP)
"""

from torch import nn

from glassformer.model.gpt import GPT
from glassformer.parallel.config import Parallel
from glassformer.parallel.mesh import Mesh

__all__ = ["Mesh", "Parallel", "parallelize"]


def parallelize(model: GPT, mesh: Mesh, config: Parallel) -> nn.Module:
    """The model divided over the processes of `mesh`; every process calls this with the same model.

    The gradients of the module that is returned are sums over the processes (not means), because the loss that each of
    them computes is divided by the number of tokens of all.
    """
    from glassformer.parallel.data import copied, sharded  # torch takes a second to import what this needs

    return sharded(model, mesh) if config.shard else copied(model, mesh)
