"""Block-sparse causal attention with global blocks (Longformer: Beltagy et al., 2020; BigBird: Zaheer et al., 2020).

    y_t = sum_s softmax_s(q_t . k_s / sqrt(D) + bias_ts) v_s        over the keys s <= t with
          floor(t / block) - floor(s / block) <= before             its own block and the `before` blocks before it
          or floor(s / block) < first                               and the first blocks, which every token sees

Every token sees the beginning of the document, which also keeps attention stable on long streams (Xiao et al., 2023). t and
s count from the start of the document. `bias(q_index, k_index)`: (..., T) and (..., S) -> (..., H, T, S).
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from glassformer.kernels import attention
from glassformer.kernels.attention import Bias
from glassformer.kernels.documents import opens, places, within
from glassformer.kernels.overlap import attend_in_chunks, windows


def visible(q_index: Tensor, k_index: Tensor, block: int, before: int, first: int) -> Tensor:
    """Whether the rule above lets a query see a key, elementwise."""
    near = q_index // block - k_index // block <= before
    return (k_index <= q_index) & (near | (k_index < first * block))


def plain(
    q: Tensor, k: Tensor, v: Tensor, block: int, before: int = 1, first: int = 1, bias: Bias | None = None,
    documents: Tensor | None = None, dropout_p: float = 0.0, *, attention: Callable[..., Tensor] = attention.plain,
) -> Tensor:  # fmt: skip
    """q (B, H, T, D), k and v (B, G, T, D) -> (B, H, T, D); documents (B, T) numbers the document of every token.

    Each document is read as if it were alone. `dropout_p` is the probability with which a weight is dropped.
    """
    seen, added = _scores(q, block, before, first, bias, documents)
    return attention(q, k, v, visible=seen, bias=added, dropout_p=dropout_p)


def _scores(
    q: Tensor, block: int, before: int, first: int, bias: Bias | None, documents: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """The mask and the bias of all pairs, broadcastable to (B, H, T, T)."""
    row = torch.arange(q.shape[2], device=q.device)
    place = row if documents is None else places(documents)[:, None]  # (T,) or (B, 1, T)
    seen = within(visible(place[..., :, None], place[..., None, :], block, before, first), documents)
    return seen, bias(row, row) if bias else None


def fused(
    q: Tensor, k: Tensor, v: Tensor, block: int, before: int = 1, first: int = 1, bias: Bias | None = None,
    documents: Tensor | None = None, dropout_p: float = 0.0,
) -> Tensor:  # fmt: skip
    """The twin of `plain`: each block of queries is compared with first + before + 1 blocks of keys, so the work grows
    with T x block.
    """
    T = q.shape[2]
    if block * (first + before + 1) >= T:
        seen, added = _scores(q, block, before, first, bias, documents)
        return attention.fused(q, k, v, visible=seen, bias=added, dropout_p=dropout_p)
    if documents is None:
        pad = -T % block
        q, k, v = (F.pad(t, (0, 0, 0, pad)) for t in (q, k, v))
        return _blocks(q, k, v, None, block, before, first, bias, dropout_p)[:, :, :T]
    seat, opening = _seats(documents, block)
    n = opening.shape[1]
    q, k, v = (_seated(t, seat, n * block) for t in (q, k, v))
    y = _blocks(q, k, v, opening, block, before, first, bias, dropout_p)
    return y.gather(2, seat[:, None, :, None].expand(-1, y.shape[1], -1, y.shape[3]))


def _seats(documents: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """Spread the tokens so that every document begins a new block.

    Returns the new place of each token (B, T), and for each of the n blocks that the longest row then has, the first
    block of its document (B, n). Blocks that a shorter row leaves empty are documents of their own.
    """
    which = opens(documents).long().cumsum(1)  # 0, 1, 2 ... along the row
    length = torch.zeros_like(documents).scatter_add_(1, which, torch.ones_like(documents))
    blocks = -(-length // block)
    begin = blocks.cumsum(1) - blocks  # (B, T) by document
    seat = begin.gather(1, which) * block + places(documents)
    n = int(blocks.sum(1).max())
    opening = torch.arange(n, device=documents.device).repeat(len(documents), 1)
    return seat, opening.scatter(1, seat // block, begin.gather(1, which))


def _seated(x: Tensor, seat: Tensor, length: int) -> Tensor:
    """x (B, heads, T, D) -> (B, heads, length, D) with token t at place seat[t], and zeros elsewhere."""
    index = seat[:, None, :, None].expand(x.shape)
    return x.new_zeros(*x.shape[:2], length, x.shape[3]).scatter(2, index, x)


def _blocks(
    q: Tensor, k: Tensor, v: Tensor, opening: Tensor | None, block: int, before: int, first: int, bias: Bias | None,
    dropout_p: float,
) -> Tensor:  # fmt: skip
    """q (B, H, n block, D) -> the same shape. opening (B, n): the first block of each block's document; None: 0."""
    n = q.shape[2] // block
    number = torch.arange(n, device=q.device)[None] - (0 if opening is None else opening)  # within the document
    earliest = (number - before)[..., None] * block  # (B or 1, n, 1): a negative place is outside the document
    start, near = torch.arange(first * block, device=q.device), torch.arange((before + 1) * block, device=q.device)
    q_place = number[..., None] * block + near[:block]  # (B or 1, n, block)
    k_place = torch.cat([start.expand(*number.shape, -1), earliest + near], -1)  # (B or 1, n, first blocks and near)
    once = torch.cat([start < earliest, earliest + near >= 0], -1)
    seen = once[..., None, :] & (k_place[..., None, :] <= q_place[..., None])
    added = bias(q_place, k_place) if bias else None
    k, v = (_keys(t, opening, block, before, first) for t in (k, v))
    return attend_in_chunks(q, k, v, seen[:, :, None], added, dropout_p)


def _keys(x: Tensor, opening: Tensor | None, block: int, before: int, first: int) -> Tensor:
    """x (B, G, n block, D) -> (B, n, G, (first + before + 1) block, D): the keys that each block of queries sees."""
    near = windows(F.pad(x, (0, 0, before * block, 0)), (before + 1) * block, block)  # (B, n, G, ..., D)
    B, n, G, _, D = near.shape
    if opening is None:  # all share the beginning
        start = x[:, None, :, : first * block].expand(-1, n, -1, -1, -1)
    else:
        index = (opening[..., None] + torch.arange(first, device=x.device)).clamp(max=n - 1)  # (B, n, first)
        index = index.view(B, n * first, 1, 1, 1).expand(-1, -1, G, block, D)
        start = x.unflatten(2, (n, block)).transpose(1, 2).gather(1, index)  # (B, n first, G, block, D)
        start = start.unflatten(1, (n, first)).transpose(2, 3).flatten(3, 4)
    return torch.cat([start, near], 3)
