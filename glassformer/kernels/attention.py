"""Scaled dot-product attention (Vaswani et al., 2017, eq. 1), causal, with grouped key heads (Ainslie et al., 2023).

    y_t = sum_s softmax_s(q_t . k_s / sqrt(D) + bias_ts) v_s        over the keys s that t may see

Keys and values may have fewer heads than queries: G divides H, and query head h reads key head h // (H/G).
`visible=None` is the causal rule with the last query standing at the last key: query t of T sees key s of S when
s - (S - T) <= t. With a cache that is exactly what a decode step or a chunk of a prompt needs.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from glassformer.kernels import dropout, softmax

Bias = Callable[[Tensor, Tensor], Tensor | None]
"""A bias of which the sparse forms ask for the pieces that they need: the indices of queries (..., T) and of keys (..., S)
-> what is added to their scores (..., H, T, S), or None for nothing."""
SHORT = 512
"""Up to this length the whole (T, T) pattern is cheaper to keep than to recompute, training in bf16 on a CPU."""


def causal(T: int, S: int, device: torch.device) -> Tensor:
    """The rule that `visible=None` stands for: (T, S) booleans."""
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T)


def pattern(
    q: Tensor, k: Tensor, visible: Tensor | None = None, bias: Tensor | None = None,
    *, softmax: Callable[..., Tensor] = softmax.plain,
) -> Tensor:  # fmt: skip
    """q (B, H, T, D), k (B, G, S, D) -> (B, H, T, S): how much of each key's value a query reads; each row sums to 1.

    `visible` (booleans) and `bias` broadcast to (B, H, T, S).
    """
    (T, D), (G, S) = q.shape[-2:], k.shape[1:3]
    k = k.repeat_interleave(q.shape[1] // G, dim=1)  # (B, H, S, D)
    scores = q @ k.transpose(-2, -1) / math.sqrt(D)  # (B, H, T, S)
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    scores = scores.masked_fill(~(causal(T, S, q.device) if visible is None else visible), float("-inf"))
    return softmax(scores)


def plain(
    q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None, bias: Tensor | None = None, dropout_p: float = 0.0,
    *, softmax: Callable[..., Tensor] = softmax.plain, dropout: Callable[..., Tensor] = dropout.plain,
) -> Tensor:  # fmt: skip
    """q (B, H, T, D), k and v (B, G, S, D) -> (B, H, T, D); `visible` (booleans) and `bias` broadcast to (B, H, T, S).

    `dropout_p` is the probability with which a weight is dropped; pass 0 outside training.
    """
    v = v.repeat_interleave(q.shape[1] // v.shape[1], dim=1)  # (B, H, S, D)
    return dropout(pattern(q, k, visible, bias, softmax=softmax), dropout_p) @ v


def fused(
    q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None, bias: Tensor | None = None, dropout_p: float = 0.0
) -> Tensor:
    """The twin of `plain`: one kernel, never more than a tile of the (T, S) scores in memory (Dao et al., 2022).

    `short` where that is quicker and rounds scores to the 8 bits of bf16: an error of 1 % where scores reach 9 (LOG.md).
    """
    T, S = q.shape[-2], k.shape[-2]
    if max(T, S) <= SHORT and q.requires_grad and q.device.type == "cpu" and q.dtype == torch.bfloat16:
        return short(q, k, v, visible, bias, dropout_p)
    square = visible is None and bias is None and T == S
    mask = None if square else _mask(q, k, visible, bias)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, dropout_p=dropout_p, is_causal=square, enable_gqa=k.shape[1] != q.shape[1]
    )


def short(
    q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None, bias: Tensor | None = None, dropout_p: float = 0.0
) -> Tensor:
    """The same in a few operators that keep the pattern. The CPU kernel's backward in bf16 takes twice as long (LOG.md)."""
    k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], dim=1) if t.shape[1] != q.shape[1] else t for t in (k, v))
    scores, mask = (q / math.sqrt(q.shape[3])) @ k.transpose(-2, -1), _mask(q, k, visible, bias)
    if mask is not None:
        added = q.new_zeros(()).where(mask, float("-inf")) if mask.dtype == torch.bool else mask
        scores = scores + added
    pattern = scores.softmax(-1, dtype=q.dtype)
    return F.dropout(pattern, dropout_p) @ v if dropout_p else pattern @ v


def _mask(q: Tensor, k: Tensor, visible: Tensor | None, bias: Tensor | None) -> Tensor | None:
    """What a query may see (booleans), or what is added to its scores; None if it sees everything."""
    T, S = q.shape[-2], k.shape[-2]
    if visible is None and T > 1:
        visible = causal(T, S, q.device)
    if bias is None:
        return visible
    bias = bias.to(q.dtype)
    return bias if visible is None else bias.masked_fill(~visible, float("-inf"))
