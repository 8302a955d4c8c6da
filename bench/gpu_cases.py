"""Inputs for every formula that `bench/gpu.py` compares on a device: not a measurement itself.

Each case is the shapes of the tensors to differentiate by, and a call that gets a twin and those tensors. What is no number
(ids, targets, masks) is made on the device of the first tensor.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from glassformer.kernels import rope
from glassformer.kernels.cross_entropy import IGNORED

Call = Callable[..., Any]


def _ids(like: Tensor, most: int, *shape: int) -> Tensor:
    return torch.randint(most, shape, generator=torch.Generator().manual_seed(1)).to(like.device)


def _targets(like: Tensor, most: int, *shape: int) -> Tensor:
    ids = _ids(like, most, *shape)
    ids[..., ::7] = IGNORED
    return ids


def _documents(like: Tensor) -> Tensor:
    B, T = like.shape[0], like.shape[-2]
    return (torch.arange(T, device=like.device) * 3 // T).expand(B, T)


def _angles(like: Tensor) -> Tensor:
    return rope.angles(torch.arange(like.shape[2], device=like.device), like.shape[3], 10_000.0)


def _unit(k: Tensor) -> Tensor:
    return k / (1 + k.norm(dim=-1, keepdim=True))


def cases(n: int) -> dict[str, tuple[list[tuple[int, ...]], Call]]:
    """Formula -> (shapes, call), for `n` tokens in a row (256 on a GPU; fewer for a look)."""
    B, H, G, D, C, V = 2, 4, 2, 64, 96, 320
    attended = [(B, H, n, D), (B, G, n, D), (B, G, n, D)]
    one = [(B, n, C)]
    elementwise = {name: (one, lambda f, x: f(x)) for name in ("sigmoid", "relu", "relu2", "gelu", "gelu_exact", "silu")}
    return {
        **elementwise,
        "embedding": ([(V, C)], lambda f, w: f(_ids(w, V, B, n), w)),
        "linear": ([(B, n, C), (V, C), (V,)], lambda f, x, w, b: f(x, w, b)),
        "softmax": (one, lambda f, x: f(x)),
        "softcap": (one, lambda f, x: f(x, 3.0)),
        "swiglu": ([(B, n, C)] * 2, lambda f, g, u: f(g, u)),
        "geglu": ([(B, n, C)] * 2, lambda f, g, u: f(g, u)),
        "layer_norm": ([(B, n, C), (C,), (C,)], lambda f, x, w, b: f(x, w, b, 1e-5)),
        "rms_norm": ([(B, n, C), (C,)], lambda f, x, w: f(x, w, 1e-5)),
        "cross_entropy": ([(B * n, V)], lambda f, z: f(z, _targets(z, V, B * n))),
        "linear_cross_entropy": ([(B, n, C), (V, C)], lambda f, x, w: f(x, w / 10, _targets(x, V, B, n))),
        "pointer_nats": (
            [(B, n, V), (B, n, n), (B, n)],
            lambda f, z, a, gate: f(z, a.softmax(-1), gate, _ids(z, V, B, n), _targets(z, V, B, n)),
        ),
        "rope": ([(B, H, n, D), (B, G, n, D)], lambda f, q, k: f(q, k, _angles(q))),
        "attention": (attended, lambda f, q, k, v: f(q, k, v)),
        "sliding_window": (attended, lambda f, q, k, v: f(q, k, v, 32, documents=_documents(q))),
        "block_sparse": (attended, lambda f, q, k, v: f(q, k, v, 32, 1, 1)),
        "strided": (attended, lambda f, q, k, v: f(q, k, v, 16, 32)),
        "linear_attention": (attended, lambda f, q, k, v: f(q.exp(), k.exp(), v)),
        "short_convolution": ([(B, n, C), (C, 1, 4), (C,)], lambda f, x, w, b: f(x, w, b, None, _documents(x))),
        "selective_scan": (
            [(B, n, C), (B, n, C), (C, 8), (B, n, 8), (B, n, 8), (C,)],
            lambda f, x, dt, a, b, c, d: f(x, 0.1 * dt.sigmoid(), -a.exp(), b, c, d),
        ),
        "gated_delta": (
            [(B, H, n, D), (B, G, n, D), (B, G, n, D), (B, G, n), (B, G, n)],
            lambda f, q, k, v, beta, alpha: f(q, _unit(k), v, beta.sigmoid(), -0.1 * alpha.exp()),
        ),
    }  # fmt: skip
