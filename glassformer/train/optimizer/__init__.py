"""Optimizer: how a gradient becomes a step."""

import abc
from collections.abc import Iterable
from typing import Protocol

from torch import Tensor, nn

from glassformer.config import Variant
from glassformer.kernels import Kernels


class Updater(Protocol):
    """An optimizer at work on the parameters of one model."""

    def step(self, step: int, lr: float) -> None:
        """Update every parameter that has a gradient; `step` counts from 1."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Its whole memory, by name, for a checkpoint."""
        ...

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        ...


class Optimizer(Variant):
    """Builds an Updater."""

    @abc.abstractmethod
    def build(self, parameters: Iterable[tuple[str, nn.Parameter]], kernels: Kernels) -> Updater:
        """An updater for these named parameters, its memory still empty."""
