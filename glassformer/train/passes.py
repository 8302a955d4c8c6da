"""The forward and backward passes of one update: the gradient of a whole batch, read in parts that fit into the memory.

    loss      sum of nats / tokens that count, over all parts of the batch and all ranks
    gradient  of that loss, clipped to a global norm

The parts (`train.grad_accumulation`) change how much memory a step takes and nothing else.
"""

from collections.abc import Callable

import torch
from torch import nn

from glassformer.data.batches import Batch
from glassformer.data.pace import Pace
from glassformer.model.gpt import GPT
from glassformer.model.wrapped import unwrapped
from glassformer.train.config import TrainConfig
from glassformer.train.gradients import norms_by_block
from glassformer.train.loss import Loss
from glassformer.train.memory import out_of_memory
from glassformer.train.precision import Precision
from glassformer.train.ranks import Ranks, padded


class Passes:
    """Makes the gradient of a batch in `count` passes (fewer where the batch is smaller, `train.batches`)."""

    def __init__(
        self, model: nn.Module, config: TrainConfig, loss: Loss, precision: Precision, ranks: Ranks, count: int,
        divided: Callable[[int], None] = lambda count: None,
    ) -> None:  # fmt: skip
        """`divided` is told the new `count` when a step ran out of memory and is read in more passes."""
        inner = unwrapped(model)
        assert isinstance(inner, GPT)
        self.model, self.inner = model, inner
        self.config, self.loss, self.precision, self.ranks = config, loss, precision, ranks
        self.count, self.divided = count, divided
        self.block_norms: list[float] = []  # the gradient norm of each block, in the newest step that is logged

    def counted(self, batch: Batch) -> int:
        """The tokens of `batch`, on all ranks, that the loss is a mean over."""
        return int(self.ranks.sum(self.loss.counted(batch), self.inner.device))

    def gradients(self, batch: Batch, step: int, pace: Pace, counted: int) -> float:
        """Add the gradient of update `step` to the parameters; returns the loss, the mean over the `counted` tokens."""
        # Dropout: the same masks however often the run was interrupted, and other ones on every rank.
        while True:
            torch.manual_seed(self.config.seed * 1_000_003 + step + self.ranks.rank * 1_000_000_007)
            try:
                return self.ranks.sum(self._passes(batch, step, pace, counted), self.inner.device)
            except (MemoryError, RuntimeError) as error:
                if not (out_of_memory(error) and self._halves(len(batch.ids))):
                    raise

    def _passes(self, batch: Batch, step: int, pace: Pace, counted: int) -> float:
        """Forward and backward passes of update `step` over all parts of its batch; returns the loss."""
        n = self.ranks.passes(self.config.accumulation(pace, step, self.count))
        total, micros = torch.zeros(()), list(self.ranks.parts(batch, n))
        if hasattr(self.model, "stages"):
            return self._in_stages(micros, counted)
        for i, micro in enumerate(micros):
            with self.ranks.accumulating(self.model, last=i == len(micros) - 1):
                with self.precision.autocast():
                    loss = self.loss.nats(self.model, micro.to(self.inner.device)).sum() / max(1, counted)
                (loss * self.precision.loss_scale.value).backward()
            total = total + loss.detach()  # in the precision of the loss
        return total.item()

    def _in_stages(self, micros: list[Batch], counted: int) -> float:
        """The same in a pipeline, whose stages compute different micro-batches at a time; these all have as many rows."""
        scale, rows = self.precision.loss_scale.value / max(1, counted), len(micros[0].ids)
        given = [padded(micro, rows).to(self.inner.device) for micro in micros]
        total = self.model.passes(  # type: ignore[operator]
            [(micro.ids, micro.targets, micro.documents) for micro in given], lambda nats, i: nats.sum() * scale,
            self.precision.autocast,
        )  # fmt: skip
        return total / self.precision.loss_scale.value

    def _halves(self, rows: int) -> bool:
        """Whether a batch of so many rows, for which the memory was not enough, can be read in twice as many passes."""
        if self.config.memory_gb is None or self.ranks.mesh is not None or self.count >= rows:
            return False
        self.count = min(rows, 2 * self.count)
        self.model.zero_grad(set_to_none=True)
        self.divided(self.count)
        return True

    def clip(self, logged: bool) -> float:
        """Unscale and clip the gradients; returns their norm before clipping. Of a step that is `logged`, the norm of each
        block is kept."""
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        self.precision.loss_scale.unscale(parameters)
        self.block_norms = norms_by_block(self.inner, self.ranks) if logged else []
        elsewhere = getattr(self.model, "counted_elsewhere", ())
        return self.ranks.clip(parameters, self.config.grad_clip, self.inner.kernels, elsewhere).item()
