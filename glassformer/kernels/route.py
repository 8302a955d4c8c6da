"""Top-k routing of tokens to experts (Shazeer et al., 2017; Mixtral: Jiang et al., 2024), with its load-balancing loss.

    p = softmax(scores)                          (N, E)
    the k greatest p of a token choose its experts; their weights are p divided by the sum of these k
    loss = E sum_e f_e P_e                       load-balancing loss (Switch Transformer: Fedus et al., 2021, eq. 4)

f_e is the fraction of all N k choices that fell to expert e (it has no gradient), and P_e is the mean of p_e over the
tokens. The loss is 1 when all experts are used equally, and E / k when all tokens choose the same k.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from glassformer.kernels import softmax
from glassformer.kernels.precision import wide


def plain(
    scores: Tensor, k: int, counted: Tensor | None = None, *, softmax: Callable[..., Tensor] = softmax.plain
) -> tuple[Tensor, Tensor, Tensor]:
    """scores (N, E) -> the weights (N, k) and the chosen experts (N, k) int64 in falling order, and the loss, a scalar.

    The loss is in float32 or wider and over the tokens that are `counted` (N,) booleans; None: all. Without any it is 0.
    """
    N, E = scores.shape
    p = softmax(scores)
    chosen = p.argsort(dim=-1, descending=True, stable=True)[:, :k]
    weights = p.gather(-1, chosen)
    weights = weights / weights.sum(-1, keepdim=True)
    counted = scores.new_ones(N, dtype=torch.bool) if counted is None else counted
    n = counted.sum().clamp(min=1)
    P = (wide(p) * counted[:, None]).sum(0) / n
    f = torch.stack([((chosen == e) & counted[:, None]).sum() for e in range(E)]).to(P.dtype) / (n * k)
    return weights, chosen, E * (f * P).sum()


def fused(scores: Tensor, k: int, counted: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The twin of `plain`."""
    N, E = scores.shape
    p = scores.softmax(-1)
    weights, chosen = p.topk(k, dim=-1)
    counted = torch.ones(N, dtype=torch.bool, device=p.device) if counted is None else counted
    n = counted.sum().clamp(min=1)
    P = counted.to(wide(p).dtype) @ wide(p) / n
    count = torch.zeros(E, dtype=torch.long, device=p.device)
    count = count.scatter_add(0, chosen.flatten(), counted.long()[:, None].expand(-1, k).flatten())
    f = count.to(P.dtype) / (n * k)
    return weights / weights.sum(-1, keepdim=True), chosen, E * (f * P).sum()
