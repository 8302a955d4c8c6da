"""AdamW (Loshchilov and Hutter, 2019). The formula is in kernels/adamw.py; here is what it remembers of each parameter.

Matrices and embeddings decay towards zero; biases and the gains of norms do not.
"""

from collections import defaultdict
from typing import Any

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import nn

from glassformer.kernels import Kernels
from glassformer.model.roles import Role
from glassformer.parallel.shards import gradients, locals_of
from glassformer.train.optimizer import LEARNING_RATE, Grouped, Optimizer, decays, grouped, kernels_of


class Config(Optimizer):
    """Two running means per weight: 8 bytes each on top of the weight's 4."""

    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean gradient, which averages about 1 / (1 - beta1) steps."""
    beta2: float = Field(default=0.95, ge=0, lt=1)
    """Decay of the mean squared gradient; 0.95 to 0.99 for language models, 0.999 in the original."""
    eps: PositiveFloat = 1e-8
    """Added to the divisor, so that a weight with a tiny gradient takes no huge step."""
    weight_decay: NonNegativeFloat = 0.1
    """Share of each matrix and embedding subtracted per step, times the learning rate."""

    def build(self, model: nn.Module, kernels: Kernels | None = None) -> "AdamW":
        """See Optimizer."""
        return AdamW(grouped(model, self.group), kernels=kernels or kernels_of(model))

    def group(self, role: Role, p: nn.Parameter, lr_scale: float) -> dict[str, Any]:
        """How one parameter is updated."""
        decay = self.weight_decay if decays(role, p) else 0.0
        return {"lr_scale": lr_scale, "betas": (self.beta1, self.beta2), "eps": self.eps, "weight_decay": decay}


class AdamW(Grouped):
    """Remembers m and v, one each per parameter, in the parameter's dtype and on its device, and its number of steps."""

    def __init__(
        self, params: Any, lr: float = LEARNING_RATE, betas: tuple[float, float] = (0.9, 0.95), eps: float = 1e-8,
        weight_decay: float = 0.1, kernels: Kernels | None = None,
    ):  # fmt: skip
        """`params` are parameters or torch's parameter groups; `weight_decay` acts on all of those that come alone."""
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}, kernels)

    def remember(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """Means of zero."""
        return moments(p)

    def update(self, params: list[torch.Tensor], group: dict[str, Any]) -> None:
        """One AdamW step."""
        adamw(params, group, self.state, self.kernels)


def moments(p: torch.Tensor) -> dict[str, Any]:
    """What AdamW remembers of a parameter before its first step."""
    mean, square = (torch.zeros_like(p, memory_format=torch.preserve_format) for _ in range(2))
    return {"step": 0, "mean": mean, "square": square}


def adamw(params: list[torch.Tensor], group: dict[str, Any], state: dict[torch.Tensor, Any], kernels: Kernels) -> None:
    """One AdamW step; parameters that have taken equally many steps are updated together."""
    alike: dict[int, list[torch.Tensor]] = defaultdict(list)  # step, from 1 -> parameters
    for p in params:
        state[p]["step"] += 1
        alike[state[p]["step"]].append(p)
    for step, some in alike.items():
        kernels.adamw(
            locals_of(some), locals_of(gradients(some)),
            locals_of(state[p]["mean"] for p in some), locals_of(state[p]["square"] for p in some),
            step=step, lr=group["lr"], beta1=group["betas"][0], beta2=group["betas"][1], eps=group["eps"],
            decay=group["weight_decay"],
        )  # fmt: skip
