"""Muon (Jordan et al., 2024): momentum, orthogonalised. It learns the same as AdamW from fewer tokens.

    m = momentum m + g
    W = W - lr (0.2 sqrt(max(M, N)) newton_schulz(g + momentum m) + decay W)

for the matrices inside a model; embeddings, heads, biases and gains take AdamW. The factor 0.2 sqrt(max(M, N)) gives
an update the size of AdamW's, so both share one learning rate (Liu et al., 2025, section 2.2).
"""

import math
from collections import defaultdict
from typing import Any

import torch
from pydantic import Field, NonNegativeFloat
from torch import nn

from glassformer.kernels import Kernels
from glassformer.model.roles import Role
from glassformer.parallel.shards import divided_as, local, whole
from glassformer.train.optimizer import LEARNING_RATE, Grouped, Optimizer, grouped, kernels_of
from glassformer.train.optimizer.adamw import Config as AdamWConfig
from glassformer.train.optimizer.adamw import adamw, moments


class Config(Optimizer):
    """One running mean per matrix: 4 bytes a weight where AdamW has 8."""

    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Decay of the sum of gradients, which spans about 1 / (1 - momentum) steps."""
    weight_decay: NonNegativeFloat = 0.1
    """Share of each matrix subtracted per step, times the learning rate."""
    others: AdamWConfig = AdamWConfig()
    """AdamW's settings for everything that is no matrix inside the model."""

    def build(self, model: nn.Module, kernels: Kernels | None = None) -> "Muon":
        """See Optimizer."""
        return Muon(grouped(model, self.group), kernels=kernels or kernels_of(model))

    def group(self, role: Role, p: nn.Parameter, lr_scale: float) -> dict[str, Any]:
        """How one parameter is updated. Muon's own steps have the same size at every width, so muP leaves them alone."""
        if role in ("matrix", "write"):
            return {"rule": "muon", "lr_scale": 1.0, "momentum": self.momentum, "weight_decay": self.weight_decay}
        return {"rule": "adamw", **self.others.group(role, p, lr_scale)}


class Muon(Grouped):
    """Remembers one momentum per matrix; in groups with the rule "adamw", what AdamW remembers."""

    def __init__(
        self, params: Any, lr: float = LEARNING_RATE, momentum: float = 0.95, weight_decay: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.95), eps: float = 1e-8, kernels: Kernels | None = None,
    ):  # fmt: skip
        """`params` are matrices (M, N), also stacked (..., M, N), or torch's parameter groups, whose "rule" is "muon" or
        "adamw"."""
        for_adamw = {"betas": betas, "eps": eps}
        super().__init__(
            params, {"lr": lr, "rule": "muon", "momentum": momentum, "weight_decay": weight_decay, **for_adamw}, kernels
        )

    def remember(self, p: torch.Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """Momentum or means of zero. Raises ValueError for a vector under Muon's rule."""
        if group["rule"] == "adamw":
            return moments(p)
        if p.ndim < 2:
            raise ValueError(
                f"Muon updates matrices, not a parameter of shape {tuple(p.shape)}; put it into a group with rule='adamw', "
                "or let Muon's Config.build(model) make the groups"
            )
        return {"momentum": torch.zeros_like(p)}

    def update(self, params: list[torch.Tensor], group: dict[str, Any]) -> None:
        """One step of Muon or AdamW; matrices of one shape are orthogonalised together."""
        if group["rule"] == "adamw":
            return adamw(params, group, self.state, self.kernels)
        alike: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
        for p in params:
            alike[p.shape].append(p)
        for shape, some in alike.items():
            aims = []
            for p in some:
                assert p.grad is not None
                momentum = self.state[p]["momentum"].mul_(group["momentum"]).add_(p.grad)
                aims.append(whole(p.grad.add(momentum, alpha=group["momentum"])))  # orthogonalising takes all of it
            updates = self.kernels.newton_schulz(torch.stack(aims))  # (n, ..., M, N)
            for p, update in zip(some, updates):
                weight = local(p)
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(local(divided_as(update, p)), alpha=group["lr"] * 0.2 * math.sqrt(max(shape[-2:])))
