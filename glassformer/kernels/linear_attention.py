"""Causal linear attention (Katharopoulos et al., 2020, eq. 9, 18 to 20): two sums over the past replace the softmax.

    S_t = S_{t-1} + k_t v_t^T          Z_t = Z_{t-1} + k_t
    y_t = (q_t S_t) / (q_t . Z_t)      which is  sum_{s <= t} (q_t . k_s) v_s / sum_{s <= t} q_t . k_s

q and k are features, phi(W x) >= 0 in the paper; `model/mixer/linear.py` computes them. The past is held in D x D' + D
numbers, however long it is. Rotary positions may turn the q and k of the numerator only, because the denominator must stay
positive (Su et al., 2021, eq. 19): S adds up `turned_k`, and `turned_q` reads it.

Keys and values may have fewer heads than queries, as in attention: query head h reads the sums of head h // (H/G).
`documents` (B, T) numbers the documents that are packed into one row and never falls along it. Both sums start from 0 in
each document.
"""

import torch
from torch import Tensor

from glassformer.kernels._recurrence import CHUNK, chunks
from glassformer.kernels.documents import opens
from glassformer.kernels.precision import full_precision, wide

EPS = 1e-6
"""Added to the denominator, because all features may be 0."""


def plain(
    q: Tensor, k: Tensor, v: Tensor, turned_q: Tensor | None = None, turned_k: Tensor | None = None,
    state: tuple[Tensor, Tensor] | None = None, documents: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """q (B, H, T, D), k (B, G, T, D), v (B, G, T, D') -> y (B, H, T, D') and the sums after the last token,
    S (B, G, D, D') and Z (B, G, D) in float32 or wider. `state` is (S, Z) before the first; None is zeros.
    """
    dtype, (B, G, T, D) = v.dtype, k.shape
    turned_q, turned_k = q if turned_q is None else turned_q, k if turned_k is None else turned_k
    q, k, v, turned_q, turned_k = (wide(t) for t in (q, k, v, turned_q, turned_k))
    S, Z = map(wide, state or (v.new_zeros(B, G, D, v.shape[-1]), v.new_zeros(B, G, D)))
    first, y = (None if documents is None else opens(documents)), []
    with full_precision(v.device):
        for t in range(T):
            if first is not None:
                S, Z = S * ~first[:, t, None, None, None], Z * ~first[:, t, None, None]
            S = S + turned_k[:, :, t, :, None] * v[:, :, t, None, :]
            Z = Z + k[:, :, t]
            numerator = turned_q[:, :, t].unflatten(1, (G, -1)) @ S  # (B, G, H/G, D')
            denominator = q[:, :, t].unflatten(1, (G, -1)) @ Z[..., None]  # (B, G, H/G, 1)
            y.append((numerator / (denominator + EPS)).flatten(1, 2))
    return torch.stack(y, 2).to(dtype), S, Z


def fused(
    q: Tensor, k: Tensor, v: Tensor, turned_q: Tensor | None = None, turned_k: Tensor | None = None,
    state: tuple[Tensor, Tensor] | None = None, documents: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The twin of `plain`: matrix products within each chunk, and the two sums from one chunk to the next."""
    dtype, (B, G, T, D) = v.dtype, k.shape
    turns = turned_q is not None
    q, turned_q = (wide(t).unflatten(1, (G, -1)) for t in (q, q if turned_q is None else turned_q))  # (B, G, H/G, T, D)
    k, v, turned_k = (wide(t)[:, :, None] for t in (k, v, k if turned_k is None else turned_k))  # (B, G, 1, T, D)
    S, Z = map(wide, state or (v.new_zeros(B, G, D, v.shape[-1]), v.new_zeros(B, G, D)))
    S, Z = S[:, :, None], Z[:, :, None, :, None]  # (B, G, 1, D, D'), (B, G, 1, D, 1)
    y = []
    with full_precision(v.device):
        pieces = (t.split(CHUNK, -2) for t in (q, k, v, turned_q, turned_k))
        for chunk, qc, kc, vc, qt, kt in zip(chunks(T, documents, v), *pieces, strict=True):
            weights = qt @ kt.mT * chunk.pairs  # (B, G, H/G, Q, Q)
            numerator = weights @ vc + qt @ S * chunk.entering
            if turns:
                weights = qc @ kc.mT * chunk.pairs
            denominator = weights.sum(-1, keepdim=True) + qc @ Z * chunk.entering
            y.append(numerator / (denominator + EPS))
            S = S * chunk.kept + (kt * chunk.leaving).mT @ vc
            Z = Z * chunk.kept + (kc * chunk.leaving).sum(-2)[..., None]
    return torch.cat(y, 3).flatten(1, 2).to(dtype), S[:, :, 0], Z[:, :, 0, :, 0]
