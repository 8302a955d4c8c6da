"""AdamW (Loshchilov and Hutter, 2019). The formula is in kernels/adamw.py; here: what it remembers, whom it decays.

Matrices and embeddings decay towards zero; biases and norm weights (1-D parameters) do not.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor, nn

from glassformer.kernels import Kernels
from glassformer.train.optimizer import EVEN, Optimizer, Updater


class AdamW(Optimizer):
    """Two running means per weight: 8 bytes each on top of the weight's 4."""

    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Memory of the gradient: about 1 / (1 - beta1) steps."""
    beta2: float = Field(default=0.95, ge=0, lt=1)
    """Memory of its square; 0.95 to 0.99 for language models, 0.999 in the original."""
    eps: PositiveFloat = 1e-8
    """Keeps a weight whose gradient is nearly 0 from a wild step."""
    weight_decay: NonNegativeFloat = 0.1
    """The share of a matrix lost per step, times the learning rate."""

    def build(
        self, parameters: Iterable[tuple[str, nn.Parameter]], kernels: Kernels, lr_scales: Mapping[str, float] = EVEN
    ) -> Updater:
        """An updater with zero means."""
        return AdamWUpdater(self, dict(parameters), kernels, lr_scales)


class AdamWUpdater:
    """Holds m and v, one each per parameter, in the parameter's dtype and on its device."""

    def __init__(
        self, config: AdamW, parameters: dict[str, nn.Parameter], kernels: Kernels, lr_scales: Mapping[str, float] = EVEN
    ):
        self.config, self.kernels, self.parameters, self.lr_scales = config, kernels, parameters, lr_scales
        self.mean = {name: torch.zeros_like(p, memory_format=torch.preserve_format) for name, p in parameters.items()}
        self.square = {name: torch.zeros_like(p, memory_format=torch.preserve_format) for name, p in parameters.items()}

    def step(self, step: int, lr: float) -> None:
        """One AdamW step for all parameters that have a gradient."""
        alike: dict[tuple[float, float], list[str]] = defaultdict(list)  # (decay, rate) -> names
        for name, p in self.parameters.items():
            if p.grad is not None:
                alike[self.config.weight_decay if p.ndim >= 2 else 0.0, self.lr_scales.get(name, 1.0)].append(name)
        for (decay, rate), names in alike.items():
            weights = [self.parameters[name] for name in names]
            self.kernels.adamw(
                weights, [p.grad for p in weights],
                [self.mean[name] for name in names], [self.square[name] for name in names],
                step=step, lr=lr * rate, beta1=self.config.beta1, beta2=self.config.beta2, eps=self.config.eps,
                decay=decay,
            )  # fmt: skip

    def tensors(self) -> dict[str, Tensor]:
        """m and v under `mean.<parameter>` and `square.<parameter>`."""
        return {f"mean.{n}": t for n, t in self.mean.items()} | {f"square.{n}": t for n, t in self.square.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Copy m and v back; the names must be the same."""
        for name, mine in self.tensors().items():
            mine.copy_(tensors[name])
