"""The first weights of a divided model, without any process ever holding the whole model.

A model is built on the meta device, which has shapes and no numbers, and divided there. Then each layer in turn gets its
whole weights on the CPU, drawn or read as one process would, and every process keeps its own part of them. So the numbers
are those of one process, and the memory is that of the parts and of one layer.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from glassformer.model.gpt import GPT
from glassformer.model.init import seeded
from glassformer.model.roles import Leaf
from glassformer.parallel.shards import assign


def can_be_divided_first(model: nn.Module, drawn: bool) -> bool:
    """Whether a model on the meta device can get its numbers afterwards. It cannot if it has buffers, whose first values
    nobody could tell, nor, where its weights are `drawn`, if the constructor of a user's own part draws some of them."""
    owners = [m for m in model.modules() if any(p is not None for p in m._parameters.values())]
    return not any(m._buffers for m in model.modules()) and (not drawn or all(isinstance(m, Leaf) for m in owners))


def draw(model: GPT, seed: int, device: torch.device) -> None:
    """Give a model on the meta device its first weights, those of `GPT(config, seed=seed)`.

    The numbers of another stage of a pipeline are drawn as well, and forgotten.
    """
    model.to_empty(device=device)
    ours, dtype = dict(model.named_parameters()), next(model.parameters()).dtype
    with torch.device("meta"):
        whole = GPT(model.config)
    with seeded(seed):
        for path, module in whole.named_modules():
            parts = {name: p for name, p in module._parameters.items() if p is not None}
            for name, p in parts.items():
                module._parameters[name] = nn.Parameter(torch.empty(p.shape, dtype=dtype), p.requires_grad)
            if isinstance(module, Leaf):  # biases: `init` chooses the weights of some leaves, and nothing else of them
                drawn_so_far = torch.get_rng_state()
                module.reset_parameters()
                torch.set_rng_state(drawn_so_far)
            model.config.init.fill_leaf(module, model.config)
            for name, p in parts.items():
                full, key = module._parameters[name], f"{path}.{name}"
                assert full is not None
                if key in ours:
                    assign(ours[key], full.detach())
                module._parameters[name] = p


def read(model: nn.Module, tensors: Mapping[str, Tensor], device: torch.device) -> None:
    """Give a model on the meta device the weights in `tensors`, by their names."""
    model.to_empty(device=device)
    for name, tensor in model.state_dict().items():
        assign(tensor, tensors[name])
