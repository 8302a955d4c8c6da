"""Loss: what a step of training makes smaller.

A loss gives the nats of every token (B, T), or one number per example (B,). The trainer adds them up over all
micro-batches and processes and divides by how many count, so the mean is over tokens however a batch is divided.

>>> class Rewarded(Loss):
...     def nats(self, model, batch):
...         nats = model(batch.ids, targets=batch.targets, documents=batch.documents)    # (B, T)
...         return nats * batch.reward[:, None]
"""

import abc

from torch import Tensor, nn

from glassformer.config import Variant
from glassformer.data.batches import Batch
from glassformer.kernels.cross_entropy import IGNORED


class Loss(Variant):
    """A loss calls `model(...)` and nothing else of it, since compilers and distributed wrappers see only that call."""

    @abc.abstractmethod
    def nats(self, model: nn.Module, batch: Batch) -> Tensor:
        """(B, T) with 0 where a token does not count, or (B,) with one number per example; float32 or wider."""

    def counted(self, batch: Batch) -> int:
        """How many numbers of `nats` count: the targets that are not IGNORED, unless a loss says otherwise."""
        return int((batch.targets != IGNORED).sum())
