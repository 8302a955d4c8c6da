"""Strided attention (Sparse Transformer: Child, Gray, Radford and Sutskever, 2019, section 4.2), both patterns in one head.

    y_t = sum_s softmax_s(q_t . k_s / sqrt(D) + bias_ts) v_s        over the keys s <= t with
          t - s < window                                            its neighbours
          or (t - s) mod stride = 0                                 and every stride-th token before it

If window >= stride, two layers connect any two tokens. The work is T (window + T/stride) pairs instead of T^2 / 2.
`bias(q_index, k_index)`: (..., T) and (..., S) -> (..., H, T, S).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from glassformer.kernels import attention, dropout
from glassformer.kernels.attention import Bias, repeats
from glassformer.kernels.documents import within
from glassformer.kernels.overlap import windows

CHUNK = 128
"""Queries that share their neighbours in `fused`."""


def visible(q_index: Tensor, k_index: Tensor, window: int, stride: int) -> Tensor:
    """Whether the rule above lets a query see a key, elementwise."""
    back = q_index - k_index
    return (back >= 0) & ((back < window) | (back % stride == 0))


def plain(
    q: Tensor, k: Tensor, v: Tensor, window: int, stride: int, bias: Bias | None = None,
    documents: Tensor | None = None, dropout_p: float = 0.0, *, attention: Callable[..., Tensor] = attention.plain,
) -> Tensor:  # fmt: skip
    """q (B, H, T, D), k and v (B, G, T, D) -> (B, H, T, D); documents (B, T) numbers the document of every token.

    A query sees the keys of its own document only. `dropout_p` is the probability with which a weight is dropped.
    """
    seen, added = _scores(q, window, stride, bias, documents)
    return attention(q, k, v, visible=seen, bias=added, dropout_p=dropout_p)


def _scores(
    q: Tensor, window: int, stride: int, bias: Bias | None, documents: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """The mask and the bias of all pairs, broadcastable to (B, H, T, T)."""
    index = torch.arange(q.shape[2], device=q.device)
    seen = within(visible(index[:, None], index, window, stride), documents)
    return seen, bias(index, index) if bias else None


def fused(
    q: Tensor, k: Tensor, v: Tensor, window: int, stride: int, bias: Bias | None = None,
    documents: Tensor | None = None, dropout_p: float = 0.0,
) -> Tensor:  # fmt: skip
    """The twin of `plain`. The tokens whose indices have the same remainder modulo `stride` see each other, which makes
    `stride` short sequences. One softmax is taken over the scores with the neighbours and the scores within them.
    """
    n, T = repeats(q, k), q.shape[2]
    if window >= T:
        seen, added = _scores(q, window, stride, bias, documents)
        return attention.fused(q, k, v, None if documents is None else seen, added, dropout_p)
    stride = min(stride, T)  # it looks no farther than there are tokens
    k, v = (t.repeat_interleave(n, 1) if n > 1 else t for t in (k, v))
    q = q / math.sqrt(q.shape[3])
    chunk = min(T, CHUNK, max(32, window))
    near_pad, far_pad = -T % chunk, -T % stride

    near = _near_scores(_padded(q, near_pad), _padded(k, near_pad), chunk, window, bias, documents)
    far = _far_scores(_padded(q, far_pad), _padded(k, far_pad), window, stride, bias, documents)
    scores = torch.cat([near.flatten(2, 3)[:, :, :T], far.transpose(2, 3).flatten(2, 3)[:, :, :T]], 3)
    pattern = dropout.fused(scores.softmax(3), dropout_p)
    near_pattern, far_pattern = pattern.split([near.shape[4], far.shape[4]], 3)

    near_values = _windows(_padded(v, near_pad), chunk, window)
    far_values = _padded(v, far_pad).unflatten(2, (-1, stride)).transpose(2, 3)  # (B, H, stride, M, D)
    near_y = _padded(near_pattern, near_pad).unflatten(2, (-1, chunk)) @ near_values
    far_y = _padded(far_pattern, far_pad).unflatten(2, (-1, stride)).transpose(2, 3) @ far_values
    return near_y.flatten(2, 3)[:, :, :T] + far_y.transpose(2, 3).flatten(2, 3)[:, :, :T]


def _padded(x: Tensor, n: int) -> Tensor:
    """x (B, H, T, D) -> (B, H, T + n, D)."""
    return F.pad(x, (0, 0, 0, n)) if n else x


def _windows(x: Tensor, chunk: int, window: int) -> Tensor:
    """x (B, H, N chunk, D) -> (B, H, N, window + chunk, D): each chunk after the `window` tokens before it."""
    return windows(F.pad(x, (0, 0, window, 0)), window + chunk, chunk).transpose(1, 2)


def _near_scores(
    q: Tensor, k: Tensor, chunk: int, window: int, bias: Bias | None, documents: Tensor | None
) -> Tensor:
    """q, k (B, H, N chunk, D) -> (B, H, N, chunk, window + chunk): the scores with the neighbours, -inf for other keys."""
    T, device = q.shape[2], q.device
    scores = q.unflatten(2, (-1, chunk)) @ _windows(k, chunk, window).transpose(3, 4)
    q_index = torch.arange(T, device=device).view(-1, chunk)  # (N, chunk)
    k_index = q_index[:, :1] + torch.arange(-window, chunk, device=device)  # (N, window + chunk)
    back = q_index[:, :, None] - k_index[:, None]
    seen = (back >= 0) & (back < window) & (k_index >= 0)[:, None]
    if documents is not None:
        near = F.pad(documents, (window, T - documents.shape[1])).unfold(1, window + chunk, chunk)  # (B, N, ...)
        seen = seen & (near[:, :, window:, None] == near[:, :, None])
        seen = seen[:, None]  # (B, 1, N, chunk, window + chunk)
    return _masked(scores, seen, bias(q_index, k_index) if bias else None)


def _far_scores(
    q: Tensor, k: Tensor, window: int, stride: int, bias: Bias | None, documents: Tensor | None
) -> Tensor:
    """q, k (B, H, M stride, D) -> (B, H, stride, M, M): the scores with every stride-th token, -inf where the key is later
    than the query or one of its neighbours.
    """
    T, device = q.shape[2], q.device
    q, k = (t.unflatten(2, (-1, stride)).transpose(2, 3) for t in (q, k))  # (B, H, stride, M, D)
    index = torch.arange(T, device=device).view(-1, stride).T  # (stride, M)
    step = index[0]
    seen = step[:, None] - step >= max(window, 1)
    if documents is not None:
        far = F.pad(documents, (0, T - documents.shape[1])).unflatten(1, (-1, stride)).transpose(1, 2)  # (B, stride, M)
        seen = (seen & (far[..., None] == far[..., None, :]))[:, None]
    return _masked(q @ k.transpose(3, 4), seen, bias(index, index) if bias else None)


def _masked(scores: Tensor, seen: Tensor, added: Tensor | None) -> Tensor:
    """scores (B, H, N, c, s) plus `added` (N, H, c, s), -inf where not `seen`."""
    if added is not None:
        scores = scores + (added.transpose(-4, -3) if added.ndim > 3 else added).to(scores.dtype)
    return scores.masked_fill(~seen, -math.inf)
