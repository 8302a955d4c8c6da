"""Top-k routing of tokens to experts (Shazeer et al., 2017; Mixtral: Jiang et al., 2024), and the price of unevenness.

    p = softmax(scores)                          (N, E)
    the k greatest p of a token choose its experts; their shares are p divided by the sum of these k
    balance = E sum_e f_e P_e                    Switch Transformer (Fedus et al., 2021, eq. 4)

f_e is the share of all N k choices that fell to expert e (no gradient), P_e the mean p of e. The balance is 1 when all
experts are used alike and E / k at worst.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from glassformer.kernels import softmax


def plain(
    scores: Tensor, k: int, *, softmax: Callable[..., Tensor] = softmax.plain
) -> tuple[Tensor, Tensor, Tensor]:
    """scores (N, E) -> shares (N, k), the chosen experts (N, k) int64 in falling order, and the balance ()."""
    p = softmax(scores)
    order = p.argsort(dim=-1, descending=True, stable=True)[:, :k]
    chosen = p.gather(-1, order)
    shares = chosen / chosen.sum(-1, keepdim=True)
    E = scores.shape[-1]
    f = torch.stack([(order == e).sum() for e in range(E)]).to(p.dtype) / max(1, order.numel())
    return shares, order, E * (f * p.mean(0)).sum()


def fused(scores: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The twin of `plain`."""
    E = scores.shape[-1]
    p = scores.softmax(-1)
    chosen, order = p.topk(k, dim=-1)
    f = torch.zeros(E, dtype=p.dtype, device=p.device)
    f = f.scatter_add(0, order.flatten(), torch.ones_like(chosen).flatten()) / max(1, order.numel())
    return chosen / chosen.sum(-1, keepdim=True), order, E * (f * p.mean(0)).sum()
