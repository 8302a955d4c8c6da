"""The gated delta rule (Yang et al., 2024, "Gated Delta Networks", eq. 10): a memory that corrects itself.

    S_t = alpha_t S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T         y_t = S_t q_t

Linear attention adds v k^T and never takes anything away. Here the memory is asked first what it holds for k, and only
the difference to v is written (beta: how much of it, 0 to 1), after everything has faded a little (alpha: what is kept, 0
to 1, given as its logarithm). With |k| = 1 and beta = 1 the old value under k is replaced.

Within a chunk of tokens the corrections depend on each other; they are the solution of one triangular system (the WY
form, section 3.3), so that `fused` is matrix products too. S is kept transposed here, (D, D').

Its gradient is written by hand. It keeps the state before each chunk and what was written, and computes the rest again
from tensors that stay in the processor's cache; and it uses that a correction is a question like any other, asked with
beta k: what is learned about the queries is learned about the corrections by the same products.
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
"""e^-40 stands for all that is weaker. It is below what float64 resolves, and its products with other numbers stay normal:
below 1e-38 float32 is denormal, and there a multiplication takes a CPU fifty times as long."""


def plain(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_alpha: Tensor,
    state: Tensor | None = None, documents: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """q (B, H, T, D), k (B, G, T, D), v (B, G, T, D'), beta and log_alpha (B, G, T) -> y (B, H, T, D') and the last S
    (B, G, D, D') in float32 or wider. Query head h asks the memory of head h // (H/G); `state` is the S before the first
    token; `documents` (B, T), never falling along a row, numbers packed texts, each of which starts with S = 0.
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
            S = S + key @ (b * (v[:, :, t, None] - key.mT @ S))  # what is new about v
            y.append((q[:, :, t].unflatten(1, (G, -1)) @ S).flatten(1, 2))
    return torch.stack(y, 2).to(dtype), S


def fused(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_alpha: Tensor,
    state: Tensor | None = None, documents: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The twin of `plain`: one triangular system and a few matrix products for each chunk."""
    B, G, _, D = k.shape
    S = wide(v.new_zeros(B, G, D, v.shape[-1]) if state is None else state)
    beta, log_alpha = (wide(t)[..., None] for t in (beta, log_alpha))  # (B, G, T, 1)
    y, S = _Chunks.apply(q.unflatten(1, (G, -1)), k, v, beta, log_alpha, S, documents)
    return y.flatten(1, 2), S


class _Chunks(torch.autograd.Function):
    """From chunk to chunk, and back. The R = H/G queries of a token and its correction, beta k, are R + 1 questions.

    With `new`, what the tokens write, `before`, what is left of S at each, and M, how much of it comes back to a question:

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
                kc, vc, bc, asked, within, before, M = _compare(chunk, *inputs)
                held = (asked.flatten(2, 3) @ S).unflatten(2, asked.shape[2:4]).mul_(before)
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
        """The gradient of an answer goes to who asked and to what answered; that of a correction's is -dmissing."""
        q, k, v, beta, log_alpha, documents, *kept = ctx.saved_tensors
        states, written = kept[: len(kept) // 2 + 1], kept[len(kept) // 2 + 1 :]
        slopes = [torch.empty_like(t) for t in (q, k, v, beta, log_alpha)]
        with full_precision(v.device):
            pieces = list(_chunked(documents, q, k, v, beta, log_alpha, dy, *slopes))
            for i in reversed(range(len(pieces))):
                chunk, *inputs, dyc, dq, dk, dv, dbeta, dlog_alpha = pieces[i]
                kc, vc, bc, asked, within, before, M = _compare(chunk, *inputs)
                S, new, leaving = states[i], written[i], within[:, :, 0, -1, :, None]
                answers = asked.new_empty(*asked.shape[:-1], new.shape[-1])  # gradients, of all R + 1
                answers[:, :, :-1] = dyc
                dnew = kc @ dS * leaving + M[:, :, :-1].flatten(2, 3).mT @ answers[:, :, :-1].flatten(2, 3)
                dmissing = torch.linalg.solve_triangular(M[:, :, -1].mT, dnew, upper=True, unitriangular=True)
                answers[:, :, -1] = -dmissing
                dM = (answers.flatten(2, 3) @ new.mT).unflatten(2, asked.shape[2:4]).mul_(within)
                dM[:, :, -1].diagonal(dim1=-2, dim2=-1).zero_()  # no correction asks its own token
                dM, dheld, flat = dM.flatten(2, 3), answers.mul_(before).flatten(2, 3), asked.flatten(2, 3)
                dasked = (dM @ kc + dheld @ S.mT).view(asked.shape)
                dkey = dM.mT @ flat + (new * leaving) @ dS.mT
                # fade multiplies a token's questions and divides its key; at the end, it multiplies all of S'
                dfade = (asked * dasked).sum((2, -1)) - (kc * dkey).sum(-1)
                dfade[:, :, -1] += (dS * states[i + 1]).sum((-2, -1))
                dlog_alpha.copy_((chunk.pairs.mT @ dfade[:, :, None, :, None])[:, :, 0])
                dbeta.copy_((kc * dasked[:, :, -1]).sum(-1, True) + (vc * dmissing).sum(-1, True))
                dq.copy_(dasked[:, :, :-1])
                dk.copy_(dkey.addcmul_(dasked[:, :, -1], bc))
                dv.copy_(dmissing.mul_(bc))
                dS = dS * before[:, :, 0, -1:] + flat.mT @ dheld
        return *slopes, dS, None


def _chunked(documents: Tensor | None, *tensors: Tensor) -> Iterator[tuple[Any, ...]]:
    """Who may see whom in a chunk, and the chunk's part of each tensor (..., T, .), of which the fourth, beta, is wide."""
    known = chunks(tensors[0].shape[-2], documents, tensors[3])
    return zip(known, *(t.split(CHUNK, -2) for t in tensors), strict=True)


def _compare(chunk: Chunk, q: Tensor, k: Tensor, v: Tensor, beta: Tensor, log_alpha: Tensor) -> tuple[Tensor, ...]:
    """What the tokens of a chunk are to each other: k, v and beta, wide; the questions (B, G, R + 1, Q, D); what is left of
    a token's write (B, G, 1, Q, Q) and of the state (B, G, 1, Q, 1) at each; and M (B, G, R + 1, Q, Q)."""
    k = wide(k).contiguous()
    fade = chunk.pairs @ log_alpha[:, :, None]
    within = (fade - fade.mT).clamp_(FAINT, 0).exp_().mul_(chunk.pairs)
    before = fade.clamp(min=FAINT).exp_() * chunk.entering
    asked = torch.cat([wide(q), (beta * k)[:, :, None]], 2)
    M = (asked.flatten(2, 3) @ k.mT).unflatten(2, asked.shape[2:4]).mul_(within)
    return k, wide(v), beta, asked, within, before, M
