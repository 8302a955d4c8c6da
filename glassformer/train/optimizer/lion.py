"""Lion (Chen et al., 2023): every weight moves by the learning rate, in the direction of a mean gradient. The formula is in
kernels/lion.py.

The rate is a third to a tenth of AdamW's, and the weight decay that much larger.
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
    """One running mean per weight: 4 bytes each, where AdamW has 8."""

    beta1: float = Field(default=0.9, ge=0, lt=1)
    """How much of the direction comes from the mean, and not from the newest gradient."""
    beta2: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the mean gradient, which averages about 1 / (1 - beta2) steps."""
    weight_decay: NonNegativeFloat = 0.3
    """Share of each matrix and embedding subtracted per step, times the learning rate."""

    def build(self, model: nn.Module, kernels: Kernels | None = None) -> "Lion":
        """See Optimizer."""
        return Lion(grouped(model, self.group), kernels=kernels or kernels_of(model))

    def group(self, role: Role, p: nn.Parameter, lr_scale: float) -> dict[str, Any]:
        """How one parameter is updated."""
        decay = self.weight_decay if decays(role, p) else 0.0
        return {"lr_scale": lr_scale, "betas": (self.beta1, self.beta2), "weight_decay": decay}


class Lion(Grouped):
    """Remembers m, one per parameter, in the parameter's dtype and on its device."""

    def __init__(
        self, params: Any, lr: float = LEARNING_RATE, betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.3, kernels: Kernels | None = None,
    ):  # fmt: skip
        """`params` are parameters or torch's parameter groups."""
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay}, kernels)

    def remember(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """A mean of zero."""
        return {"mean": torch.zeros_like(p)}

    def update(self, params: list[torch.Tensor], group: dict[str, Any]) -> None:
        """One step."""
        beta1, beta2 = group["betas"]
        self.kernels.lion(
            locals_of(params), locals_of(gradients(params)), locals_of(self.state[p]["mean"] for p in params),
            lr=group["lr"], beta1=beta1, beta2=beta2, decay=group["weight_decay"],
        )  # fmt: skip
