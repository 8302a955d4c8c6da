"""The pointer mixture: the next token is either chosen from the vocabulary or copied from the text so far (Merity et al.,
2017, eq. 1 to 3; See et al., 2017, eq. 9).

    p(w) = (1 - g) softmax(z)_w + g sum_s a_s [id_s = w]          g = 1 / (1 + exp(-gate))

a_s is how much attention the text's token s receives, and sums to 1. A word that stands in several places gets the sum of
their attention. A name that was said once can so be repeated without the vocabulary having learned anything about it.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from glassformer.kernels.precision import wide

SMALLEST = 1e-30
"""In place of the probability 0 of copying a word that is not there, whose logarithm would have no gradient."""


def plain(z: Tensor, pattern: Tensor, gate: Tensor, ids: Tensor) -> Tensor:
    """z (B, T, V) logits, pattern (B, T, S), gate (B, T) and ids (B, S) -> (B, T, V): ln p(w), in float32 or wider."""
    z, pattern, gate = wide(z), wide(pattern), wide(gate)
    own = (z - z.amax(-1, keepdim=True)).exp()
    own = own / own.sum(-1, keepdim=True)
    is_word = ids[:, :, None] == torch.arange(z.shape[-1], device=ids.device)  # (B, S, V)
    copied = pattern @ is_word.to(pattern.dtype)  # (B, T, V)
    gate = gate[..., None]
    choose, copy = 1 / (1 + gate.exp()), 1 / (1 + (-gate).exp())  # 1 - g and g
    return (choose * own + copy * copied.clamp(min=SMALLEST)).log()


def fused(z: Tensor, pattern: Tensor, gate: Tensor, ids: Tensor) -> Tensor:
    """The twin of `plain`. Attention is added up by word, so there is no (B, S, V), and logarithms cannot underflow."""
    z, pattern, gate = wide(z), wide(pattern), wide(gate)[..., None]
    words = ids[:, None, :].expand_as(pattern)
    copied = torch.zeros_like(z).scatter_add(-1, words, pattern).clamp(min=SMALLEST)
    return torch.logaddexp(F.logsigmoid(-gate) + z.log_softmax(-1), F.logsigmoid(gate) + copied.log())
