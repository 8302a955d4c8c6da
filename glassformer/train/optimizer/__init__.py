"""Optimizer: how gradients change the weights.

A variant's settings build a `torch.optim.Optimizer`, so that torch's schedulers, its distributed checkpoints and FSDP work
with it. The updates are written out, through the kernels. An optimizer can also be made alone, like any of torch's:

>>> optimizer = AdamW(model.parameters(), lr=1e-3)
>>> optimizer.step()
"""

import abc
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from glassformer.config import Variant
from glassformer.kernels import Kernels, fused
from glassformer.model.gpt import GPT
from glassformer.model.roles import Role, roles_of
from glassformer.model.wrapped import unwrapped

LEARNING_RATE = 1e-3
"""Until whoever uses the optimizer sets another; the trainer does so before every step."""


class Optimizer(Variant):
    """The settings of an optimizer, and how they build one."""

    @abc.abstractmethod
    def build(self, model: nn.Module, kernels: Kernels | None = None) -> torch.optim.Optimizer:
        """An optimizer for all parameters of `model` that are not frozen. `model` may be a GPT, a part of one, or wrapped.

        Without `kernels` it computes with the model's own, or with `fused()`. Before each step the trainer sets the
        learning rate of every parameter group (`set_learning_rate`).
        """


class Grouped(torch.optim.Optimizer, abc.ABC):
    """An optimizer whose step goes group by group. A subclass says what it remembers of a parameter, and its update.

    The memory of all parameters that need a gradient is there from the beginning, so that memory use can be planned.
    """

    def __init__(self, params: Any, defaults: dict[str, Any], kernels: Kernels | None):
        self.kernels = kernels or fused()
        super().__init__(params, {"lr_scale": 1.0, **defaults})

    @abc.abstractmethod
    def remember(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The memory of a parameter of `group` before its first step."""

    @abc.abstractmethod
    def update(self, params: list[torch.Tensor], group: dict[str, Any]) -> None:
        """Change these parameters of `group`, which have gradients."""

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles keep: torch's own state, and the kernels."""
        return {**super().__getstate__(), "kernels": self.kernels}

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Update every parameter that has a gradient. `closure` computes the loss anew, as for torch's optimizers."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            for p in params:
                if not self.state[p]:  # it was frozen when the optimizer was made
                    self.state[p].update(self.remember(p, group))
            if params:
                self.update(params, group)
        return loss

    # torch hides these methods from torch.compile by a wrapper that imports the compiler, which takes seconds.
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take in another group of parameters."""
        inspect.unwrap(torch.optim.Optimizer.add_param_group)(self, param_group)
        for p in param_group["params"]:
            if p.requires_grad:
                self.state[p].update(self.remember(p, param_group))


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every parameter group the rate `lr` times its own "lr_scale", 1 where it has none."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)


def kernels_of(model: nn.Module) -> Kernels | None:
    """The kernels that a model computes with, if it says."""
    return getattr(unwrapped(model), "kernels", None)


def grouped(
    model: nn.Module, settings: Callable[[Role, nn.Parameter, float], dict[str, Any]]
) -> list[dict[str, Any]]:  # fmt: skip
    """Parameter groups for torch: the parameters that are not frozen, those with equal `settings` in one group.

    `settings(role, parameter, lr_scale)` says how a parameter is updated; `lr_scale` is what the model's initialisation
    (muP) multiplies its learning rate by, 1 where it does not say. Each group also has its parameters' `names`. Raises
    ValueError if all parameters are frozen.
    """
    model = unwrapped(model)
    roles, scales = roles_of(model), model.lr_scales() if isinstance(model, GPT) else {}
    groups: dict[tuple, dict[str, Any]] = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            own = settings(roles[name], p, scales.get(name, 1.0))
            own["lr"] = LEARNING_RATE * own["lr_scale"]
            group = groups.setdefault(tuple(own.items()), {"params": [], "names": [], **own})
            group["params"].append(p)
            group["names"].append(name)
    if not groups:
        raise ValueError("all parameters of the model are frozen (requires_grad is False), so there is nothing to train")
    return list(groups.values())


def decays(role: Role, p: nn.Parameter) -> bool:
    """Whether weight decay acts on a parameter: on matrices and tables, never on gains, biases and other vectors."""
    return p.ndim >= 2 if role == "other" else role not in ("gain", "bias")
