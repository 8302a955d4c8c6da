"""Ranks: the processes that train one model together, each on its own rows of the same batch.

The processes have been started by `torchrun` and the model has been wrapped (DistributedDataParallel) by whoever builds
the Trainer. What is left to the trainer is arithmetic: a mean over the tokens of all ranks, and one decision for all.
"""

import contextlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn


@dataclass(frozen=True)
class Ranks:
    """This process is number `rank` of `count`."""

    rank: int = 0
    count: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes the run folder; only one may."""
        return self.rank == 0

    def sum(self, number: float, device: torch.device) -> float:
        """The sum of `number` over all ranks. Every rank must call it."""
        if self.count == 1:
            return number
        total = torch.tensor(number, dtype=torch.float64, device=device)
        distributed.all_reduce(total)
        return total.item()

    def accumulating(self, model: nn.Module, last: bool) -> contextlib.AbstractContextManager[Any]:
        """The context of one micro-batch: gradients are exchanged with the other ranks after the `last` one only."""
        without = getattr(model, "no_sync", None)
        return contextlib.nullcontext() if last or without is None else without()


ALONE = Ranks()
"""One process trains the model."""
