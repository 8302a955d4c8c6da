"""Sliding-window attention (Child et al., 2019; Beltagy et al., 2020; Mistral 7B: Jiang et al., 2023).

    y_t = sum_s softmax_s(q_t . k_s / sqrt(D) + bias_ts) v_s        over the keys with t - window < s <= t

It is `attention` with another mask, and with less work: `fused` costs T x window, where a mask over all keys costs T x T.
The last query stands at the last key, so T queries can be given with the S >= T keys of a KV cache.
`bias(q_index, k_index)`: (..., T) and (..., S) -> (..., H, T, S), where index s is that of key s.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from glassformer.kernels import attention
from glassformer.kernels.attention import Bias
from glassformer.kernels.documents import within
from glassformer.kernels.overlap import attend_in_chunks, beside, windows

CHUNK = 128
"""Queries that share their keys in `fused`. With more, each computes scores of keys that it may not see; with fewer, the
matrices are too small to keep the processor busy."""


def visible(q_index: Tensor, k_index: Tensor, window: int) -> Tensor:
    """Whether a query may see a key, elementwise: the key is not later, and fewer than `window` steps back."""
    return (k_index <= q_index) & (k_index > q_index - window)


def plain(
    q: Tensor, k: Tensor, v: Tensor, window: int, bias: Bias | None = None, documents: Tensor | None = None,
    dropout_p: float = 0.0, *, attention: Callable[..., Tensor] = attention.plain,
) -> Tensor:  # fmt: skip
    """q (B, H, T, D), k and v (B, G, S, D) -> (B, H, T, D); documents (B, S) numbers the document of every key.

    A query sees the keys of its own document only. `dropout_p` is the probability with which a weight is dropped.
    """
    seen, added = _scores(q, k, window, bias, documents)
    return attention(q, k, v, visible=seen, bias=added, dropout_p=dropout_p)


def _scores(
    q: Tensor, k: Tensor, window: int, bias: Bias | None, documents: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """The mask and the bias of all pairs, broadcastable to (B, H, T, S)."""
    T, S = q.shape[2], k.shape[2]
    k_index = torch.arange(S, device=q.device)
    q_index = k_index[S - T :]
    seen = within(visible(q_index[:, None], k_index, window), documents)
    return seen, bias(q_index, k_index) if bias else None


def fused(
    q: Tensor, k: Tensor, v: Tensor, window: int, bias: Bias | None = None, documents: Tensor | None = None,
    dropout_p: float = 0.0,
) -> Tensor:  # fmt: skip
    """The twin of `plain`: each chunk of queries is compared with its own keys and the `window` keys before it."""
    T, S = q.shape[2], k.shape[2]
    chunk = min(CHUNK, max(32, window))
    head = T % chunk  # these, and the first chunks, have fewer than `window` keys before them
    head += max(0, -(-(window - head - (S - T)) // chunk)) * chunk
    n = (T - head) // chunk
    if n < 2:
        seen, added = _scores(q, k, window, bias, documents)
        seen = None if window >= S and documents is None else seen  # the kernel's own causal rule is faster
        return attention.fused(q, k, v, visible=seen, bias=added, dropout_p=dropout_p)
    start, end = head + S - T - window, head + S - T
    body = _body(q[:, :, head:], k[:, :, start:], v[:, :, start:], n, start, window, bias, documents, dropout_p)
    if not head:
        return body
    documents = documents if documents is None else documents[:, :end]
    first = fused(q[:, :, :head], k[:, :, :end], v[:, :, :end], window, bias, documents, dropout_p)
    return torch.cat([first, body], 2)


def _body(
    q: Tensor, k: Tensor, v: Tensor, n: int, start: int, window: int, bias: Bias | None, documents: Tensor | None,
    dropout_p: float,
) -> Tensor:  # fmt: skip
    """The n chunks of q (B, H, n chunk, D) that have `window` keys before them. The first key of k has index `start`."""
    chunk = q.shape[2] // n
    size = window + chunk
    k_index = torch.arange(size, device=q.device)
    seen = visible(k_index[window:, None], k_index, window)  # (chunk, size), the same for every chunk
    added = None
    if bias:
        k_index = k_index + start + chunk * torch.arange(n, device=q.device)[:, None]  # (n, size)
        added = bias(k_index[:, window:], k_index)
    if documents is not None:
        near = beside(documents[:, start:], size, chunk)[:, :, None]  # (B, n, 1, size)
        seen = seen & (near[..., window:, None] == near[..., None, :])
    return attend_in_chunks(q, windows(k, size, chunk), windows(v, size, chunk), seen, added, dropout_p)
