"""The average of the weights over the steps (`train.ema`), which is used in place of the last ones.

The optimizer's weights move around a minimum as long as the learning rate is high; their average lies nearer to it
(Izmailov et al., 2018, "Averaging weights leads to wider optima"; the formula is in kernels/ema.py). Training itself never
sees it.
"""

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from glassformer.model.gpt import GPT
from glassformer.parallel.shards import assign, local, locals_of


class Average:
    """An average of each weight that is trained, which begins as a copy; frozen weights have none."""

    def __init__(self, model: GPT, decay: float | None) -> None:
        """Without a `decay` nothing is averaged, and the weights themselves are used."""
        self.decay, self.kernels = decay, model.kernels
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.weights = trained if decay is not None else {}
        self.tensors = {name: p.detach().clone() for name, p in self.weights.items()}

    def update(self, step: int) -> None:
        """Take in the weights after update number `step`, counted from 1."""
        if self.decay is not None:
            weights = locals_of(p.detach() for p in self.weights.values())
            self.kernels.ema(locals_of(self.tensors.values()), weights, step=step, decay=self.decay)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from the averages of a checkpoint, by the names of the parameters."""
        for name, average in self.tensors.items():
            assign(average, tensors[name])

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model has the averages as its weights; afterwards the weights again, bit for bit."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, p in self.weights.items():
            weight, average = local(p), local(self.tensors[name])
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)
