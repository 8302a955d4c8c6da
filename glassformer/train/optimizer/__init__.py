"""Optimizer: how a gradient becomes a step."""

import abc
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

from torch import Tensor, nn

from glassformer.config import Variant
from glassformer.kernels import Kernels

EVEN: Mapping[str, float] = MappingProxyType({})
"""Every parameter learns at the same rate."""


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
    def build(
        self, parameters: Iterable[tuple[str, nn.Parameter]], kernels: Kernels, lr_scales: Mapping[str, float] = EVEN
    ) -> Updater:
        """An updater for these named parameters, its memory still empty. `lr_scales` multiply AdamW's learning rate."""
