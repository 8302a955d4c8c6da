"""Roles: what each parameter is, declared by the module that holds it.

An initialisation draws a matrix and an embedding differently, muP gives them different learning rates, Muon updates
matrices alone, and weight decay spares gains and biases. Guessing the role from a parameter's name or shape breaks as soon
as a model is compiled, wrapped, adapted or cut into single blocks; a declaration travels with the module.
"""

from typing import Literal

import torch
from torch import Tensor, nn

Role = Literal["matrix", "write", "embedding", "head", "gain", "bias", "other"]
"""matrix: a projection inside the model. write: a projection whose output is added to the residual stream. embedding: a
table of vectors, one row per id. head: the projection to the scores of the tokens. gain: multiplies channel by channel.
bias: is added. other: anything else, such as the taps of a convolution or the decay rates of a state."""

Cut = Literal["columns", "rows", "shared", "whole", "inside"]
"""How tensor parallelism divides a part of a module, as the module declares it in `cuts` (parallel/tensor.py). columns:
each process computes some of the outputs, such as those of its heads. rows: each reads some of the inputs, and the
outputs are summed. shared: each has all of it and applies it to what it computes alone. whole: all processes compute
the same. inside: each of its children declares its own cuts. A module without `cuts` cannot be divided."""

STD = 0.02
"""The standard deviation of first weights unless an `init` says otherwise (GPT-2)."""


class Leaf(nn.Module):
    """A module that holds parameters directly.

    It declares the role of each in `roles`, and `reset_parameters` gives them their first values. A leaf calls that at the
    end of its own `__init__`, so a part that is built alone is ready for use; a GPT initialises all its leaves again, from
    its seed and as its `init` says.
    """

    roles: dict[str, Role]

    def reset_parameters(self) -> None:
        """Set the first values, drawing from torch's CPU generator; draw nothing if the parameters are on `meta`."""
        raise NotImplementedError(f"{type(self).__name__} must say what its parameters are before the first step")


def roles_of(model: nn.Module) -> dict[str, Role]:
    """The role of every parameter, by the name that `model.named_parameters()` gives it.

    The model may be a whole GPT, a single block, or any module wrapped around them (compiled, DDP, adapters). A parameter
    that its module does not declare is a matrix if it is the weight of an `nn.Linear`, "other" if it has two dimensions or
    more, and a bias otherwise.
    """
    owners = dict(model.named_modules())
    return {name: _role(owners[name.rpartition(".")[0]], name, p) for name, p in model.named_parameters()}


def _role(owner: nn.Module, name: str, parameter: Tensor) -> Role:
    own = name.rpartition(".")[2]
    declared: dict[str, Role] = getattr(owner, "roles", {})
    if own in declared:
        return declared[own]
    if isinstance(owner, nn.Linear) and own == "weight":
        return "matrix"
    return "other" if parameter.ndim >= 2 else "bias"


@torch.no_grad()
def fill_normal(weight: Tensor, std: float) -> None:
    """Draw from N(0, std^2), on the CPU, so that the numbers do not depend on the device; nothing on `meta`."""
    if not weight.is_meta:
        weight.copy_(torch.empty(weight.shape, device="cpu").normal_() * std)


@torch.no_grad()
def fill_uniform(weight: Tensor, bound: float) -> None:
    """Draw evenly from (-bound, bound), on the CPU as `fill_normal` does."""
    if not weight.is_meta:
        weight.copy_((2 * torch.rand(weight.shape, device="cpu") - 1) * bound)
