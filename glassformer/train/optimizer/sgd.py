"""Stochastic gradient descent with momentum. The formula is in kernels/sgd.py. It needs a learning rate of its own, about
a hundred times that of AdamW, and trains transformers slower: it is here to be compared with.
"""

from typing import Any

import torch
from pydantic import Field, NonNegativeFloat
from torch import nn

from glassformer.kernels import Kernels
from glassformer.model.roles import Role
from glassformer.parallel.shards import gradients, locals_of
from glassformer.train.optimizer import LEARNING_RATE, Grouped, Optimizer, decays, grouped, kernels_of


class Config(Optimizer):
    """One running sum per weight: 4 bytes each."""

    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the sum of gradients, which spans about 1 / (1 - momentum) steps."""
    nesterov: bool = True
    """Whether to step from where the momentum will have led."""
    weight_decay: NonNegativeFloat = 0.0
    """Share of each matrix and embedding subtracted per step, times the learning rate."""

    def build(self, model: nn.Module, kernels: Kernels | None = None) -> "SGD":
        """See Optimizer."""
        return SGD(grouped(model, self.group), kernels=kernels or kernels_of(model))

    def group(self, role: Role, p: nn.Parameter, lr_scale: float) -> dict[str, Any]:
        """How one parameter is updated. muP's rates are made for Adam; SGD has the same rate for every parameter."""
        decay = self.weight_decay if decays(role, p) else 0.0
        return {"lr_scale": 1.0, "momentum": self.momentum, "nesterov": self.nesterov, "weight_decay": decay}


class SGD(Grouped):
    """Remembers m, one per parameter, in the parameter's dtype and on its device."""

    def __init__(
        self, params: Any, lr: float = LEARNING_RATE, momentum: float = 0.9, nesterov: bool = True,
        weight_decay: float = 0.0, kernels: Kernels | None = None,
    ):  # fmt: skip
        """`params` are parameters or torch's parameter groups."""
        settings = {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}
        super().__init__(params, settings, kernels)

    def remember(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """A sum of zero."""
        return {"momentum": torch.zeros_like(p)}

    def update(self, params: list[torch.Tensor], group: dict[str, Any]) -> None:
        """One step."""
        self.kernels.sgd(
            locals_of(params), locals_of(gradients(params)), locals_of(self.state[p]["momentum"] for p in params),
            lr=group["lr"], momentum=group["momentum"], nesterov=group["nesterov"], decay=group["weight_decay"],
        )  # fmt: skip
