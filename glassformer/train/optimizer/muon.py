"""Muon (Jordan et al., 2024): momentum, orthogonalised. Learns the same from fewer tokens than AdamW.

    m = momentum m + g
    W = W - lr (0.2 sqrt(max(M, N)) orthogonalise(g + momentum m) + decay W)

for the matrices inside the blocks; embeddings, heads, biases and norms take AdamW. The factor 0.2 sqrt(max(M, N)) gives
an update the size of AdamW's, so both share one learning rate (Liu et al., 2025, section 2.2).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor, nn

from glassformer.kernels import Kernels
from glassformer.train.optimizer import EVEN, Optimizer, Updater
from glassformer.train.optimizer.adamw import AdamW


class Muon(Optimizer):
    """One running mean per matrix: 4 bytes a weight where AdamW has 8."""

    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Memory of the gradient: about 1 / (1 - momentum) steps."""
    weight_decay: NonNegativeFloat = 0.1
    """The share of a matrix lost per step, times the learning rate."""
    others: AdamW = AdamW()
    """For everything that is no matrix inside a block."""

    def build(
        self, parameters: Iterable[tuple[str, nn.Parameter]], kernels: Kernels, lr_scales: Mapping[str, float] = EVEN
    ) -> Updater:
        """An updater with zero momentum. Its own steps need no `lr_scales`: they have one size at every width."""
        return MuonUpdater(self, dict(parameters), kernels, lr_scales)


class MuonUpdater:
    """Holds the momentum of the matrices, and an AdamW updater for the rest."""

    def __init__(
        self, config: Muon, parameters: dict[str, nn.Parameter], kernels: Kernels, lr_scales: Mapping[str, float] = EVEN
    ):
        self.config, self.kernels = config, kernels
        self.matrices = {n: p for n, p in parameters.items() if p.ndim == 2 and n.startswith("blocks.")}
        rest = [(name, p) for name, p in parameters.items() if name not in self.matrices]
        self.others = config.others.build(rest, kernels, lr_scales)
        self.momentum = {name: torch.zeros_like(p) for name, p in self.matrices.items()}

    @torch.no_grad()
    def step(self, step: int, lr: float) -> None:
        """One step for all parameters that have a gradient; matrices of one shape are orthogonalised together."""
        self.others.step(step, lr)
        same_shape: dict[torch.Size, list[str]] = defaultdict(list)
        for name, p in self.matrices.items():
            if p.grad is not None:
                same_shape[p.shape].append(name)
        for shape, names in same_shape.items():
            aims = []
            for name in names:
                gradient = self.matrices[name].grad
                assert gradient is not None
                self.momentum[name].mul_(self.config.momentum).add_(gradient)
                aims.append(gradient.add(self.momentum[name], alpha=self.config.momentum))
            updates = self.kernels.newton_schulz(torch.stack(aims))  # (n, M, N)
            for name, update in zip(names, updates):
                weight = self.matrices[name]
                weight.mul_(1 - lr * self.config.weight_decay)
                weight.sub_(update, alpha=lr * 0.2 * math.sqrt(max(shape)))

    def tensors(self) -> dict[str, Tensor]:
        """The momentum under `momentum.<parameter>`, and AdamW's memory."""
        return {f"momentum.{name}": t for name, t in self.momentum.items()} | self.others.tensors()

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Copy everything back; the names must be the same."""
        for name, mine in self.tensors().items():
            mine.copy_(tensors[name])
