"""Cross-entropy: how surprised the model is by the token that came, in nats (natural logarithms).

    loss_n = -log softmax(z_n)[y_n] = log sum_v exp(z_nv) - z_n[y_n]

The loss is per token and not averaged: whoever adds up micro-batches, ranks or documents knows how many tokens counted,
and can take the mean. Targets of -100 (`IGNORED`) are padding and cost 0.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from glassformer.kernels._rows import serves
from glassformer.kernels.precision import wide

IGNORED = -100
"""The target of a token that is not counted in the loss."""


def plain(logits: Tensor, targets: Tensor) -> Tensor:
    """logits (..., V), targets (...) ids or -100 -> (...) nats in float32 or wider."""
    z = wide(logits)
    z = z - z.amax(-1, keepdim=True)  # the same in exact arithmetic, but exp cannot overflow
    log_sum = z.exp().sum(-1).log()
    counted = targets != IGNORED
    z_target = z.gather(-1, targets.where(counted, 0).unsqueeze(-1)).squeeze(-1)
    return (log_sum - z_target).where(counted, 0)


def fused(logits: Tensor, targets: Tensor) -> Tensor:
    """The twin of `plain`."""
    rows = logits.reshape(-1, logits.shape[-1])
    if serves(rows):
        return Rows.apply(rows, targets.flatten()).view_as(targets)
    return F.cross_entropy(wide(rows), targets.flatten(), ignore_index=IGNORED, reduction="none").view_as(targets)


class Rows(torch.autograd.Function):
    """The same in compiled loops (`_rows_cpu.py`), which keep no softmax: the gradient computes it again."""

    @staticmethod
    def forward(ctx, z: Tensor, targets: Tensor) -> Tensor:
        """z (N, V), targets (N,) -> (N,)."""
        from glassformer.kernels import _rows_cpu as loops

        z, (least, most) = z.contiguous(), targets.where(targets != IGNORED, 0).aminmax()
        if least < 0 or most >= z.shape[1]:  # the loop would read and write beyond the row
            raise IndexError(f"a target is {int(least if least < 0 else most)}, and the ids are 0 to {z.shape[1] - 1}")
        cost, log_sum = (z.new_empty(len(z), dtype=torch.float32) for _ in range(2))
        loops.in_parallel(loops.nats, len(z), *map(loops.array, (z, targets, cost, log_sum)))
        ctx.save_for_backward(z, targets, log_sum)
        return cost

    @staticmethod
    @once_differentiable
    def backward(ctx, weight: Tensor) -> tuple[Tensor, None]:
        """weight (N,) -> the gradient of z."""
        from glassformer.kernels import _rows_cpu as loops

        z, targets, log_sum = ctx.saved_tensors
        gradient = torch.empty_like(z)
        arrays = map(loops.array, (z, targets, log_sum, weight.contiguous(), gradient))
        loops.in_parallel(loops.nats_gradient, len(z), *arrays)
        return gradient, None
