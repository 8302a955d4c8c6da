"""The gated delta rule (Yang et al., 2024, "Gated Delta Networks", eq. 10): a memory that corrects itself.

    S_t = alpha_t S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T         y_t = S_t q_t

Linear attention adds v k^T and never removes anything. The gated delta rule first lets the whole memory S fade (alpha,
0 to 1, says how much is kept; it is given as its logarithm). It then reads what S holds for the key k, and writes only the
difference to v (beta, 0 to 1, says how much of it). If |k| = 1 and beta = 1, v replaces the old value of k.

Within a chunk of tokens the writes depend on each other. They are the solution of one triangular system (the WY form,
section 3.3), so `fused` consists of matrix products too. S is stored transposed here, (D, D').

The gradient of `fused` is written by hand. It keeps the state before each chunk and the values that were written, and
computes the rest again. A token reads S twice: with its query q, and with beta k to find the difference. The gradients of
both come from the same matrix products.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from glassformer.kernels._recurrence import CHUNK, Chunk, chunks
from glassformer.kernels.documents import opens
from glassformer.kernels.precision import full_precision, wide

FAINT = -40.0
"""Decays below e^-40 are set to it. That is below the resolution of float64. Without the limit, float32 numbers below 1e-38
would become denormal, and a CPU multiplies those fifty times more slowly."""


def plain(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_alpha: Tensor,
    state: Tensor | None = None, documents: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """q (B, H, T, D), k (B, G, T, D), v (B, G, T, D'), beta and log_alpha (B, G, T) -> y (B, H, T, D') and the last S
    (B, G, D, D') in float32 or wider, for T >= 1. Query head h reads the memory of head h // (H/G). `state` is the S before
    the first token, 0 by default. `documents` (B, T) numbers the documents packed into a row and never falls along it; S is
    0 at the start of each.
    """
    dtype, (B, G, T, D) = v.dtype, k.shape
    q, k, v, beta, log_alpha = (wide(t) for t in (q, k, v, beta, log_alpha))
    S = v.new_zeros(B, G, D, v.shape[-1]) if state is None else wide(state)
    first, y = (None if documents is None else opens(documents)), []
    with full_precision(v.device):
        for t in range(T):
            if first is not None:
                S = S * ~first[:, t, None, None, None]
            key, b = k[:, :, t, :, None], beta[:, :, t, None, None]  # (B, G, D, 1), (B, G, 1, 1)
            S = S * log_alpha[:, :, t, None, None].exp()
            S = S + key @ (b * (v[:, :, t, None] - key.mT @ S))  # write the difference to v
            y.append((q[:, :, t].unflatten(1, (G, -1)) @ S).flatten(1, 2))
    return torch.stack(y, 2).to(dtype), S


def fused(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_alpha: Tensor,
    state: Tensor | None = None, documents: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The twin of `plain`: one triangular system and a few matrix products per chunk."""
    B, G, _, D = k.shape
    S = wide(v.new_zeros(B, G, D, v.shape[-1]) if state is None else state)
    beta, log_alpha = (wide(t)[..., None] for t in (beta, log_alpha))  # (B, G, T, 1)
    y, S = _Chunks.apply(q.unflatten(1, (G, -1)), k, v, beta, log_alpha, S, documents)
    return y.flatten(1, 2), S


class _Chunks(torch.autograd.Function):
    """The chunks forward, and their gradient. A token makes R + 1 reads: one for each of its R = H/G queries, and one with
    beta k, the correction.

    `new` is what the tokens of the chunk write, `before` the factor by which S has faded at each token, and M how much a
    read finds of what the other tokens wrote:

        y = before (q S) + M new         new + M_correction new = beta v - before (beta k S)
        S' = before_end S + (within_end k)^T new
    """

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_alpha: Tensor, S: Tensor, documents: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """q (B, G, R, T, D), beta and log_alpha (B, G, T, 1), the rest as in `plain` -> y (B, G, R, T, D') and S."""
        (B, G, R, T, _), E = q.shape, v.shape[-1]
        y = v.new_empty(B, T, G, R, E).permute(0, 2, 3, 1, 4)  # a token's heads side by side, for what follows
        states, written = [S], []
        with full_precision(v.device):
            for chunk, *inputs, yc in _chunked(documents, q, k, v, beta, log_alpha, y):
                kc, vc, bc, reads, within, before, M = _compare(chunk, *inputs)
                held = (reads.flatten(2, 3) @ S).unflatten(2, reads.shape[2:4]).mul_(before)
                missing = bc * vc - held[:, :, -1]
                new = torch.linalg.solve_triangular(M[:, :, -1], missing, upper=False, unitriangular=True)
                yc.copy_(held[:, :, :-1] + (M[:, :, :-1].flatten(2, 3) @ new).view(yc.shape))
                S = S * before[:, :, 0, -1:] + kc.mT @ (new * within[:, :, 0, -1, :, None])
                states.append(S)
                written.append(new)
        ctx.save_for_backward(q, k, v, beta, log_alpha, documents, *states, *written)
        return y, S.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, dS: Tensor) -> tuple[Tensor | None, ...]:
        """Each read passes its gradient to the vector it was made with and to what it found. For the correction, the
        gradient of what it found is -dmissing.
        """
        q, k, v, beta, log_alpha, documents, *kept = ctx.saved_tensors
        states, written = kept[: len(kept) // 2 + 1], kept[len(kept) // 2 + 1 :]
        slopes = [torch.empty_like(t) for t in (q, k, v, beta, log_alpha)]
        with full_precision(v.device):
            pieces = list(_chunked(documents, q, k, v, beta, log_alpha, dy, *slopes))
            for i in reversed(range(len(pieces))):
                chunk, *inputs, dyc, dq, dk, dv, dbeta, dlog_alpha = pieces[i]
                kc, vc, bc, reads, within, before, M = _compare(chunk, *inputs)
                S, new, leaving = states[i], written[i], within[:, :, 0, -1, :, None]
                dfound = reads.new_empty(*reads.shape[:-1], new.shape[-1])  # gradients of all R + 1 reads
                dfound[:, :, :-1] = dyc
                dnew = kc @ dS * leaving + M[:, :, :-1].flatten(2, 3).mT @ dfound[:, :, :-1].flatten(2, 3)
                dmissing = torch.linalg.solve_triangular(M[:, :, -1].mT, dnew, upper=True, unitriangular=True)
                dfound[:, :, -1] = -dmissing
                dM = (dfound.flatten(2, 3) @ new.mT).unflatten(2, reads.shape[2:4]).mul_(within)
                dM[:, :, -1].diagonal(dim1=-2, dim2=-1).zero_()  # no token corrects what it writes itself
                dM, dheld, flat = dM.flatten(2, 3), dfound.mul_(before).flatten(2, 3), reads.flatten(2, 3)
                dreads = (dM @ kc + dheld @ S.mT).view(reads.shape)
                dkey = dM.mT @ flat + (new * leaving) @ dS.mT
                # fade multiplies a token's reads and divides its key; at the end of the chunk it multiplies S'
                dfade = (reads * dreads).sum((2, -1)) - (kc * dkey).sum(-1)
                dfade[:, :, -1] += (dS * states[i + 1]).sum((-2, -1))
                dlog_alpha.copy_((chunk.pairs.mT @ dfade[:, :, None, :, None])[:, :, 0])
                dbeta.copy_((kc * dreads[:, :, -1]).sum(-1, True) + (vc * dmissing).sum(-1, True))
                dq.copy_(dreads[:, :, :-1])
                dk.copy_(dkey.addcmul_(dreads[:, :, -1], bc))
                dv.copy_(dmissing.mul_(bc))
                dS = dS * before[:, :, 0, -1:] + flat.mT @ dheld
        return *slopes, dS, None


def _chunked(documents: Tensor | None, *tensors: Tensor) -> Iterator[tuple[Any, ...]]:
    """The chunks, each with its part of the tensors (..., T, .). The factors get the dtype of the fourth tensor, beta."""
    known = chunks(tensors[0].shape[-2], documents, tensors[3])
    return zip(known, *(t.split(CHUNK, -2) for t in tensors), strict=True)


def _compare(chunk: Chunk, q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_alpha: Tensor) -> tuple[Tensor, ...]:
    """k, v and beta, wide; the vectors of the reads (B, G, R + 1, Q, D); how far a token's write (B, G, 1, Q, Q) and the
    state (B, G, 1, Q, 1) have faded at each token; and M (B, G, R + 1, Q, Q).
    """
    k = wide(k).contiguous()
    fade = chunk.pairs @ log_alpha[:, :, None]
    within = (fade - fade.mT).clamp_(FAINT, 0).exp_().mul_(chunk.pairs)
    before = fade.clamp(min=FAINT).exp_() * chunk.entering
    reads = torch.cat([wide(q), (beta * k)[:, :, None]], 2)
    M = (reads.flatten(2, 3) @ k.mT).unflatten(2, reads.shape[2:4]).mul_(within)
    return k, wide(v), beta, reads, within, before, M
