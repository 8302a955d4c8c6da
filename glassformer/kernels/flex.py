"""`sliding_window`, `block_sparse` and `strided` by FlexAttention (Dong et al., 2024).

PyTorch compiles a GPU kernel for a rule that says which keys a query sees:

    y_t = sum_s softmax_s(q_t . k_s / sqrt(D)) v_s        over the keys s with rule(t, s)

Queries and keys are cut into blocks of 128. A table says which pairs of blocks contain a pair of tokens that the rule
allows. The kernel skips all others, and evaluates the rule only in blocks that it allows in part. The forms in `fused`
gather keys (`overlap.py`) and need no compiler. Here no key is copied, and the first call of each shape compiles.

Each function has the contract of the `fused` of the same name, and calls it wherever FlexAttention cannot do the work or
where compiling would not pay: see `possible`. `glassformer.kernels.flexible()` is the namespace with these three.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from glassformer.kernels import block_sparse as _block_sparse
from glassformer.kernels import sliding_window as _sliding_window
from glassformer.kernels import strided as _strided
from glassformer.kernels.attention import Bias
from glassformer.kernels.documents import starts

Rule = Callable[..., Tensor]
BLOCK = 128
"""The block size that PyTorch's kernels are tuned for. Lengths are rounded up to a multiple of it."""
KERNELS = 64
"""How many shapes may be compiled: the patterns of a model times the lengths of a curriculum. PyTorch allows 8 and computes
further shapes by a dense form, or refuses them."""


def sliding_window(
    q: Tensor, k: Tensor, v: Tensor, window: int, bias: Bias | None = None, documents: Tensor | None = None,
    dropout_p: float = 0.0,
) -> Tensor:  # fmt: skip
    """See `kernels/sliding_window.py`."""
    if possible(q, k, bias, dropout_p):
        return attend(q, k, v, _sliding_window.visible, (window,), documents)
    return _sliding_window.fused(q, k, v, window, bias, documents, dropout_p)


def block_sparse(
    q: Tensor, k: Tensor, v: Tensor, block: int, before: int = 1, first: int = 1, bias: Bias | None = None,
    documents: Tensor | None = None, dropout_p: float = 0.0,
) -> Tensor:  # fmt: skip
    """See `kernels/block_sparse.py`."""
    if possible(q, k, bias, dropout_p):
        return attend(q, k, v, _block_sparse.visible, (block, before, first), documents)
    return _block_sparse.fused(q, k, v, block, before, first, bias, documents, dropout_p)


def strided(
    q: Tensor, k: Tensor, v: Tensor, window: int, stride: int, bias: Bias | None = None,
    documents: Tensor | None = None, dropout_p: float = 0.0,
) -> Tensor:  # fmt: skip
    """See `kernels/strided.py`. If the stride is below 256, no block is empty and all T^2 / 2 pairs are computed."""
    if possible(q, k, bias, dropout_p):
        return attend(q, k, v, _strided.visible, (window, stride), documents)
    return _strided.fused(q, k, v, window, stride, bias, documents, dropout_p)


@cache
def missing(device: torch.device) -> str | None:
    """Why this device cannot train with FlexAttention, or None if it can."""
    if device.type != "cuda":
        return f"FlexAttention has no gradient on {device.type}"
    return None if find_spec("triton") else "triton, which compiles FlexAttention, is not installed"


def possible(q: Tensor, k: Tensor, bias: Bias | None, dropout_p: float) -> bool:
    """Whether FlexAttention computes a call with these arguments.

    It supports neither dropout nor heads narrower than 16, and a bias would have to be computed for all T x T pairs.
    Prompts have any length, and compiling for each takes longer than reading it. So only training uses it, where lengths
    repeat.
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
    """q (B, H, T, D), k and v (B, G, T, D) -> (B, H, T, D): attention to the keys with rule(t, s, *sizes).

    `documents` (B, T) numbers the document of every token and never falls along a row; the rule is given places within
    the document. `kernel` is flex_attention or a compiled form of it; by default it is compiled for these shapes.
    """
    T = q.shape[2]
    pad = -T % BLOCK  # attention is causal, so no token sees the padding
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
    # fullgraph: if the compiler gives up, raise an error instead of computing the dense form
    return torch.compile(flex_attention, dynamic=False, fullgraph=True)


@lru_cache(maxsize=64)
def alone(rule: Rule, sizes: tuple[int, ...], T: int, device: torch.device) -> BlockMask:
    """The mask if every row is one document; T is a multiple of BLOCK. It depends on no data, so it is cached."""

    def visible(b: Tensor, h: Tensor, t: Tensor, s: Tensor) -> Tensor:
        return rule(t, s, *sizes)

    touched, whole = (table[None, None] for table in blocks(rule, sizes, T, device))
    return BlockMask.from_kv_blocks(
        *_listed(touched & ~whole), *_listed(whole), BLOCK_SIZE=BLOCK, mask_mod=visible, seq_lengths=(T, T)
    )


def packed(rule: Rule, sizes: tuple[int, ...], documents: Tensor) -> BlockMask:
    """The mask of rows that hold several documents, (B, T), where T is a multiple of BLOCK.

    The pairs that are allowed within documents are some of those that are allowed in an unpacked row. The exception is
    `block_sparse`, where each document has first blocks of its own.
    """
    T, device = documents.shape[1], documents.device
    start = starts(documents).int()  # (B, T), equal within a document only

    def visible(b: Tensor, h: Tensor, t: Tensor, s: Tensor) -> Tensor:
        begin = start[b, t]
        return (begin == start[b, s]) & rule(t - begin, s - begin, *sizes)

    number, begin = torch.arange(T // BLOCK, device=device), start[:, ::BLOCK, None]  # (B, n, 1)
    if rule is _block_sparse.visible:
        block, before, first = sizes
        touched, _ = blocks(_sliding_window.visible, ((before + 1) * block,), T, device)
        causal = number <= number[:, None]
        touched = touched | (causal & (number <= (begin + first * block - 1) // BLOCK))
    else:
        touched, _ = blocks(rule, sizes, T, device)
    touched = touched & (number >= begin // BLOCK)  # no key before the document of the block's first query
    return BlockMask.from_kv_blocks(*_listed(touched[:, None]), BLOCK_SIZE=BLOCK, mask_mod=visible, seq_lengths=(T, T))


@lru_cache(maxsize=64)
def blocks(rule: Rule, sizes: tuple[int, ...], T: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Two tables (n, n), n = T / BLOCK, of blocks of queries by blocks of keys: whether some pair is visible, and whether
    all are. They are computed row by row, because PyTorch's create_block_mask would hold T x T numbers of 64 bits.
    """
    index, some, whole = torch.arange(T, device=device), [], []
    for rows in index.split(BLOCK):
        seen = rule(rows[:, None], index, *sizes).unflatten(1, (-1, BLOCK))  # (BLOCK, n, BLOCK)
        some.append(seen.any(2).any(0))
        whole.append(seen.all(2).all(0))
    return torch.stack(some), torch.stack(whole)


def _listed(table: Tensor) -> tuple[Tensor, Tensor]:
    """A table (..., n, n) as BlockMask takes it: how many blocks of keys each row has, and their numbers at the front."""
    order = table.int().argsort(dim=-1, descending=True, stable=True)
    return table.sum(-1, dtype=torch.int32), order.int()
