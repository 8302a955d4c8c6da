"""Scaled dot-product attention (Vaswani et al., 2017, eq. 1), causal, with grouped key heads (Ainslie et al., 2023).

    y_t = sum_s softmax_s(q_t . k_s / sqrt(D) + bias_ts) v_s        over the keys s that query t may see

Keys and values may have fewer heads than queries: G divides H, and query head h reads key head h // (H/G).

`visible=None` means causal attention in which the last query stands at the last key: query t of T sees key s of S when
s - (S - T) <= t. A decoding step with a KV cache needs exactly that, and so does one chunk of a prompt.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from glassformer.kernels import dropout, softmax

Bias = Callable[[Tensor, Tensor], Tensor | None]
"""A function from the indices of queries (..., T) and keys (..., S) to what is added to their scores (..., H, T, S), or to
None for nothing. Sparse attention calls it for the pairs that it computes, so the bias of all pairs never exists."""
SHORT = 512
"""When training in bf16 on a CPU, up to this length it is faster to keep the (T, T) pattern than to recompute it."""


def causal(T: int, S: int, device: torch.device) -> Tensor:
    """The mask that `visible=None` stands for: (T, S) booleans."""
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T)


def repeats(q: Tensor, k: Tensor) -> int:
    """H // G, how many query heads read each key head. Raises ValueError for shapes that are not those of attention."""
    if q.ndim != 4 or k.ndim != 4 or k.shape[1] == 0 or q.shape[1] % k.shape[1]:
        raise ValueError(
            f"attention takes q (B, H, T, D) and k, v (B, G, S, D) where G divides H; q is {tuple(q.shape)} and k or v "
            f"{tuple(k.shape)}. Tensors without a dimension for the heads get one by q[:, None]"
        )
    return q.shape[1] // k.shape[1]


def pattern(
    q: Tensor, k: Tensor, visible: Tensor | None = None, bias: Tensor | None = None,
    *, softmax: Callable[..., Tensor] = softmax.plain,
) -> Tensor:  # fmt: skip
    """q (B, H, T, D), k (B, G, S, D) -> (B, H, T, S): how much of each key's value a query reads. Each row sums to 1, or
    is 0 for a query that may see nothing. `visible` (booleans) and `bias` broadcast to (B, H, T, S).
    """
    k = k.repeat_interleave(repeats(q, k), dim=1)  # (B, H, S, D)
    (T, D), S = q.shape[2:], k.shape[2]
    scores = q @ k.transpose(-2, -1) / math.sqrt(D)  # (B, H, T, S)
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    scores = scores.masked_fill(~(causal(T, S, q.device) if visible is None else visible), -math.inf)
    return softmax(scores)


def plain(
    q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None, bias: Tensor | None = None, dropout_p: float = 0.0,
    *, softmax: Callable[..., Tensor] = softmax.plain, dropout: Callable[..., Tensor] = dropout.plain,
) -> Tensor:  # fmt: skip
    """q (B, H, T, D), k and v (B, G, S, D) -> (B, H, T, D); `visible` (booleans) and `bias` broadcast to (B, H, T, S).

    `dropout_p` is the probability with which a weight is dropped; pass 0 outside training. A query that may see nothing
    gets 0. Raises ValueError if there is no dimension for the heads (for one head, pass q[:, None]).
    """
    v = v.repeat_interleave(repeats(q, v), dim=1)  # (B, H, S, D)
    return dropout(pattern(q, k, visible, bias, softmax=softmax), dropout_p) @ v


def fused(
    q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None, bias: Tensor | None = None, dropout_p: float = 0.0
) -> Tensor:
    """The twin of `plain`: one kernel that never holds more than a tile of the (T, S) scores (Dao et al., 2022).

    Short sequences in bf16 on a CPU are trained by `short`, which is faster there. It rounds the scores to the 8 bits of
    bf16, which is an error of 1 % where scores reach 9 (LOG.md).
    """
    enable_gqa = repeats(q, k) > 1
    T, S = q.shape[2], k.shape[2]
    if max(T, S) <= SHORT and q.requires_grad and q.device.type == "cpu" and q.dtype == torch.bfloat16:
        return short(q, k, v, visible, bias, dropout_p)
    square = visible is None and bias is None and T == S
    mask = None if square else _mask(q, k, visible, bias)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, dropout_p=dropout_p, is_causal=square, enable_gqa=enable_gqa
    )


def short(
    q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None, bias: Tensor | None = None, dropout_p: float = 0.0
) -> Tensor:
    """The same in a few operators, which keep the pattern for the gradient.

    PyTorch's CPU kernel computes the pattern again, and its backward pass in bf16 takes twice as long (LOG.md).
    """
    n, mask = repeats(q, k), _mask(q, k, visible, bias)
    k, v = (t.repeat_interleave(n, dim=1) if n > 1 else t for t in (k, v))
    scores, blind = (q / math.sqrt(q.shape[3])) @ k.transpose(-2, -1), None
    if mask is not None:
        added = q.new_zeros(()).where(mask, -math.inf) if mask.dtype == torch.bool else mask
        if visible is not None or bias is not None or scores.shape[2] > scores.shape[3]:
            blind = (added == -math.inf).all(-1, keepdim=True)  # queries that see nothing
            added = added.masked_fill(blind, 0)
        scores = scores + added
    pattern = scores.softmax(-1, dtype=q.dtype)
    y = F.dropout(pattern, dropout_p) @ v if dropout_p else pattern @ v
    return y if blind is None else y.masked_fill(blind, 0)


def _mask(q: Tensor, k: Tensor, visible: Tensor | None, bias: Tensor | None) -> Tensor | None:
    """The mask for PyTorch's kernel: booleans, or numbers that are added to the scores; None if all keys are visible."""
    T, S = q.shape[2], k.shape[2]
    if visible is None and T > 1:
        visible = causal(T, S, q.device)
    if bias is None:
        return visible
    bias = bias.to(q.dtype)
    return bias if visible is None else bias.masked_fill(~visible, -math.inf)
