"""Copies of a model whose parameters are DTensors, or whose backward passes a pipeline schedules: gradients are summed
once.

DistributedDataParallel sums gradients while the backward pass still runs, which is faster. But it takes plain tensors
alone, and wants each parameter to get its gradient in one backward pass. Here the sum is one exchange when the last
backward pass of an update has ended. A parameter without a gradient, such as an expert that no token chose, counts as
zero.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd import Variable
from torch.distributed import ProcessGroup

from glassformer.parallel.shards import local

BUCKET = 25 << 20
"""Bytes that are sent at once."""


class Copies(nn.Module):
    """A model, and the processes that have copies of it. Gradients are summed after each backward pass outside
    `no_sync`."""

    def __init__(self, model: nn.Module, group: ProcessGroup):
        super().__init__()
        self.module, self.group = model, group
        self._last, self._waiting = True, False

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """For all backward passes of an update but the last: gradients are added up in this process alone."""
        self._last = False
        try:
            yield
        finally:
            self._last = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As that of the model."""
        out = self.module(*args, **kwargs)
        if self._last and out.requires_grad:
            out.register_hook(self._begins)
        return out

    def _begins(self, gradient: Tensor) -> None:
        """The last backward pass begins: exchange when it has ended."""
        if not self._waiting:
            self._waiting = True
            Variable._execution_engine.queue_callback(self._ended)

    def _ended(self) -> None:
        self._waiting = False
        sum_gradients(self.module.parameters(), self.group)


@torch.no_grad()
def sum_gradients(parameters: Iterable[nn.Parameter], group: ProcessGroup) -> None:
    """Replace the gradient of every trainable parameter by its sum over the group, in messages of about BUCKET bytes."""
    bucket: list[Tensor] = []
    for p in parameters:
        if not p.requires_grad:
            continue
        if p.grad is None:
            p.grad = torch.zeros_like(p)
        g = local(p.grad)
        if bucket and (g.dtype != bucket[0].dtype or sum(t.nbytes for t in bucket) + g.nbytes > BUCKET):
            _exchange(bucket, group)
            bucket = []
        bucket.append(g)
    if bucket:
        _exchange(bucket, group)


def _exchange(gradients: list[Tensor], group: ProcessGroup) -> None:
    flat = torch.cat([g.flatten() for g in gradients])
    distributed.all_reduce(flat, group=group)
    for g, total in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        g.copy_(total.view_as(g))
