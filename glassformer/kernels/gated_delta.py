"""The gated delta rule (Yang et al., 2024, "Gated Delta Networks", eq. 10): a memory that corrects itself.

    S_t = alpha_t S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T         y_t = S_t q_t

Linear attention adds v k^T and never takes anything away. Here the memory is asked first what it holds for k, and only
the difference to v is written (beta: how much of it, 0 to 1), after everything has faded a little (alpha: what is kept, 0
to 1, given as its logarithm). With |k| = 1 and beta = 1 the old value under k is replaced.

Within a chunk of tokens the corrections depend on each other; they are the solution of one triangular system (the WY
form, section 3.3), so that `fused` is matrix products too. S is kept transposed here, (D, D').
"""

import torch
from torch import Tensor

from glassformer.kernels._recurrence import CHUNK, chunks, first_tokens, unnarrowed, wide


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
    first, y = first_tokens(documents), []
    with unnarrowed(v.device):
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
    dtype, (B, G, T, D) = v.dtype, k.shape
    q = wide(q).unflatten(1, (G, -1))  # (B, G, H/G, T, D)
    k, v, beta, log_alpha = (wide(t)[:, :, None] for t in (k, v, beta[..., None], log_alpha[..., None]))  # (B, G, 1, T, .)
    S = (v.new_zeros(B, G, D, v.shape[-1]) if state is None else wide(state))[:, :, None]
    y = []
    with unnarrowed(v.device):
        pieces = (t.split(CHUNK, -2) for t in (q, k, v, beta, log_alpha))
        for chunk, qc, kc, vc, bc, ac in zip(chunks(T, documents, v), *pieces, strict=True):
            fade = chunk.pairs @ ac  # log of what is left of the state from before, at each token: (B, G, 1, Q, 1)
            left = (fade - fade.mT).masked_fill(chunk.pairs == 0, float("-inf")).exp()  # of token j's write at token i
            system = bc * (kc @ kc.mT) * left  # its diagonal is taken for 1
            held = kc @ S * (fade.exp() * chunk.entering)
            new = torch.linalg.solve_triangular(system, bc * (vc - held), upper=False, unitriangular=True)
            y.append(qc @ S * (fade.exp() * chunk.entering) + (qc @ kc.mT * left) @ new)
            end = fade[..., -1:, :]
            S = S * (end.exp() * chunk.kept) + (kc * left[..., -1:, :].mT).mT @ new
    return torch.cat(y, 3).flatten(1, 2).to(dtype), S[:, :, 0]
