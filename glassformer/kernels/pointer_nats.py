"""The cross-entropy of the pointer mixture (`pointer.py`): only the probability of the token that came is needed.

    loss = -ln((1 - g) softmax(z)_y + g sum_s a_s [id_s = y])
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from glassformer.kernels import pointer
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.kernels.cross_entropy import fused as cross_entropy
from glassformer.kernels.pointer import SMALLEST
from glassformer.kernels.precision import wide


def plain(
    z: Tensor, pattern: Tensor, gate: Tensor, ids: Tensor, targets: Tensor,
    *, pointer: Callable[..., Tensor] = pointer.plain,
) -> Tensor:  # fmt: skip
    """z (B, T, V), pattern (B, T, S), gate (B, T), ids (B, S), targets (B, T) ids or -100 -> (B, T) nats; 0 for -100."""
    counted = targets != IGNORED
    log_p = pointer(z, pattern, gate, ids)
    return -log_p.gather(-1, targets.where(counted, 0)[..., None])[..., 0].where(counted, 0)


def fused(z: Tensor, pattern: Tensor, gate: Tensor, ids: Tensor, targets: Tensor) -> Tensor:
    """The twin of `plain`: compares T x S tokens, and never makes the mixture over the vocabulary."""
    counted, gate = targets != IGNORED, wide(gate)
    copied = (wide(pattern) * (ids[:, None, :] == targets[:, :, None])).sum(-1)  # (B, T)
    own = F.logsigmoid(-gate) - cross_entropy(z, targets)
    copied = F.logsigmoid(gate) + copied.clamp(min=SMALLEST).log()
    return -torch.logaddexp(own, copied).where(counted, 0)
