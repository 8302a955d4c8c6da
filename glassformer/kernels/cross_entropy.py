"""Cross-entropy: how surprised the model is by the token that came, in nats (natural logarithms).

    loss_n = -log softmax(z_n)[y_n] = log sum_v exp(z_nv) - z_n[y_n]

The loss is per token and not averaged: whoever adds up micro-batches, ranks or documents knows how many tokens counted,
and can take the mean. Targets of -100 (`IGNORED`) are padding and cost 0.
"""

from torch import Tensor
from torch.nn import functional as F

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
    rows = wide(logits).reshape(-1, logits.shape[-1])
    return F.cross_entropy(rows, targets.flatten(), ignore_index=IGNORED, reduction="none").view_as(targets)
