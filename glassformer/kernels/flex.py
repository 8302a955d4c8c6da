"""`sliding_window`, `block_sparse` and `strided` by FlexAttention (Dong et al., 2024).

PyTorch writes the GPU's kernel for the rule:

    y_t = sum_s softmax_s(q_t . k_s / sqrt(D)) v_s        over the keys s with rule(t, s)

Queries and keys are cut into blocks of 128. A table says which pairs of blocks hold a pair that the rule allows; the
others are never touched, and the rule is asked only within those that it does not allow as a whole. `overlap` gathers keys
and needs no compiler; here nothing is copied, and the kernel is compiled at the first call of each shape.

Each function here has the contract of its namesake's `fused` and hands over to that wherever FlexAttention cannot do the
work or would compile in vain: see `possible`. `glassformer.kernels.flexible()` is the namespace with these three.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from glassformer.kernels import block_sparse as _blocked
from glassformer.kernels import sliding_window as _banded
from glassformer.kernels import strided as _strided
from glassformer.kernels.attention import Bias
from glassformer.kernels.documents import starts

Rule = Callable[..., Tensor]
BLOCK = 128
"""What PyTorch's own kernels are tuned for. Lengths are rounded up to it."""
KERNELS = 64
"""How many shapes may be compiled: patterns times lengths of a curriculum. PyTorch's default of 8 is soon used up, and
what came then would be computed by a dense form, or refused."""


def sliding_window(
    q: Tensor, k: Tensor, v: Tensor, window: int, bias: Bias | None = None, documents: Tensor | None = None,
    dropout_p: float = 0.0,
) -> Tensor:  # fmt: skip
    """See `kernels/sliding_window.py`."""
    if possible(q, k, bias, dropout_p):
        return attend(q, k, v, _banded.visible, (window,), documents)
    return _banded.fused(q, k, v, window, bias, documents, dropout_p)


def block_sparse(
    q: Tensor, k: Tensor, v: Tensor, block: int, before: int = 1, first: int = 1, bias: Bias | None = None,
    documents: Tensor | None = None, dropout_p: float = 0.0,
) -> Tensor:  # fmt: skip
    """See `kernels/block_sparse.py`."""
    if possible(q, k, bias, dropout_p):
        return attend(q, k, v, _blocked.visible, (block, before, first), documents)
    return _blocked.fused(q, k, v, block, before, first, bias, documents, dropout_p)


def strided(
    q: Tensor, k: Tensor, v: Tensor, window: int, stride: int, bias: Bias | None = None,
    documents: Tensor | None = None, dropout_p: float = 0.0,
) -> Tensor:  # fmt: skip
    """See `kernels/strided.py`. With a stride below 256 no pair of blocks is empty: all T^2 / 2 pairs are computed."""
    if possible(q, k, bias, dropout_p):
        return attend(q, k, v, _strided.visible, (window, stride), documents)
    return _strided.fused(q, k, v, window, stride, bias, documents, dropout_p)


@cache
def missing(device: torch.device) -> str | None:
    """Why this device cannot train by FlexAttention, or None where it can."""
    if device.type != "cuda":
        return f"FlexAttention has no gradient on {device.type}"
    return None if find_spec("triton") else "triton, which compiles FlexAttention, is not installed"


def possible(q: Tensor, k: Tensor, bias: Bias | None, dropout_p: float) -> bool:
    """Whether a call with these goes through FlexAttention.

    It knows no dropout and no heads under 16 wide, and a bias would have to be made for all T x T pairs. Prompts come in
    any length, and to compile for each takes longer than to read it: only training does, where lengths repeat.
    """
    if missing(q.device) or not (torch.is_grad_enabled() and q.requires_grad) or dropout_p or q.shape[2] != k.shape[2]:
        return False
    if q.shape[3] < 16 or q.dtype not in (torch.float32, torch.bfloat16, torch.float16):
        return False
    if bias is None:
        return True
    here = torch.zeros(1, dtype=torch.long, device=q.device)
    return bias(here, here) is None


def attend(
    q: Tensor, k: Tensor, v: Tensor, rule: Rule, sizes: tuple[int, ...], documents: Tensor | None = None,
    kernel: Callable[..., Any] | None = None,
) -> Tensor:  # fmt: skip
    """q (B, H, T, D), k and v (B, G, T, D) -> (B, H, T, D): over the keys with rule(t, s, *sizes).

    `documents` (B, T) numbers the document of every token, never falling along a row; the rule is told places within
    the document. `kernel` is flex_attention or a compiled form of it; None: compiled for these shapes.
    """
    T = q.shape[2]
    pad = -T % BLOCK  # causal, so no token sees the padding; and the last block is like the others
    if pad:
        q, k, v = (F.pad(t, (0, 0, 0, pad)) for t in (q, k, v))
        documents = documents if documents is None else torch.cat([documents, documents[:, -1:].expand(-1, pad)], 1)
    if documents is None:
        mask = alone(rule, sizes, T + pad, q.device)
    else:
        mask = packed(rule, sizes, documents)
    grouped = q.shape[1] != k.shape[1]
    if kernel is None:
        with torch._dynamo.config.patch(recompile_limit=KERNELS):  # pyright: ignore
            y = _compiled()(q, k, v, block_mask=mask, enable_gqa=grouped)
    else:
        y = kernel(q, k, v, block_mask=mask, enable_gqa=grouped)
    return y[:, :, :T]


@cache
def _compiled() -> Callable[..., Any]:
    # fullgraph: an error where the compiler gives up, not the dense form in its place
    return torch.compile(flex_attention, dynamic=False, fullgraph=True)


@lru_cache(maxsize=64)
def alone(rule: Rule, sizes: tuple[int, ...], T: int, device: torch.device) -> BlockMask:
    """The mask of one document a row, for a T that is a multiple of BLOCK. It depends on no data, so it is kept."""

    def visible(b: Tensor, h: Tensor, t: Tensor, s: Tensor) -> Tensor:
        return rule(t, s, *sizes)

    touched, whole = (table[None, None] for table in blocks(rule, sizes, T, device))
    return BlockMask.from_kv_blocks(
        *_listed(touched & ~whole), *_listed(whole), BLOCK_SIZE=BLOCK, mask_mod=visible, seq_lengths=(T, T)
    )


def packed(rule: Rule, sizes: tuple[int, ...], documents: Tensor) -> BlockMask:
    """The mask of rows that hold several documents, (B, T) with T a multiple of BLOCK.

    Packing takes pairs away from the row's own rule; only under `block_sparse` has every document first blocks of its own.
    """
    T, device = documents.shape[1], documents.device
    start = starts(documents).int()  # (B, T), equal within a document only

    def visible(b: Tensor, h: Tensor, t: Tensor, s: Tensor) -> Tensor:
        begin = start[b, t]
        return (begin == start[b, s]) & rule(t - begin, s - begin, *sizes)

    number, begin = torch.arange(T // BLOCK, device=device), start[:, ::BLOCK, None]  # (B, n, 1)
    if rule is _blocked.visible:
        block, before, first = sizes
        touched, _ = blocks(_banded.visible, ((before + 1) * block,), T, device)
        causal = number <= number[:, None]
        touched = touched | (causal & (number <= (begin + first * block - 1) // BLOCK))
    else:
        touched, _ = blocks(rule, sizes, T, device)
    touched = touched & (number >= begin // BLOCK)  # nothing before the document of the block's first query
    return BlockMask.from_kv_blocks(*_listed(touched[:, None]), BLOCK_SIZE=BLOCK, mask_mod=visible, seq_lengths=(T, T))


@lru_cache(maxsize=64)
def blocks(rule: Rule, sizes: tuple[int, ...], T: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Two tables (n, n), n = T / BLOCK, of blocks of queries by blocks of keys: some pair is visible; all are.

    Row by row, so that T x T never lies in memory (as PyTorch's create_block_mask would have it, in 64-bit numbers).
    """
    index, some, whole = torch.arange(T, device=device), [], []
    for rows in index.split(BLOCK):
        seen = rule(rows[:, None], index, *sizes).unflatten(1, (-1, BLOCK))  # (BLOCK, n, BLOCK)
        some.append(seen.any(2).any(0))
        whole.append(seen.all(2).all(0))
    return torch.stack(some), torch.stack(whole)


def _listed(table: Tensor) -> tuple[Tensor, Tensor]:
    """A table (..., n, n) as BlockMask wants it: how many blocks of keys each row has, and their numbers first."""
    order = table.int().argsort(dim=-1, descending=True, stable=True)
    return table.sum(-1, dtype=torch.int32), order.int()
