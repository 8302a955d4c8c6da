"""Inputs for every formula of `kernels/`: a few shapes each, with the edges (one token, odd lengths, padding, more than one
chunk), and shapes that are large enough for the loops compiled by numba.

Every case is made from a seed, so that a fault found on one machine can be shown on another.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from glassformer.kernels import rope
from glassformer.kernels.cross_entropy import IGNORED

Result = Tensor | tuple[Tensor, ...]


@dataclass
class Case:
    """How to call a twin, and the tensors (float64) to differentiate by."""

    tensors: list[Tensor]
    call: Callable[..., Result]
    differentiable: bool = True
    narrow: bool = True
    """Whether it is also asked in bf16."""
    coarse: bool = False
    """Whether the formula may compute in bf16 by itself."""

    @property
    def shape(self) -> str:
        """The shape of the first tensor, in words."""
        return "(" + ", ".join(map(str, self.tensors[0].shape)) + ")"


def cases(name: str) -> Iterator[Case]:
    """The cases of one formula."""
    yield from MADE[name]()


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)


def _ids(high: int, *shape: int) -> Tensor:
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(sum(shape)))


def _pointwise(large: bool = False, *more: float) -> Iterator[Case]:
    for shape in [(1, 1), (3, 7), (4, 33, 48)] + [(256, 520)] * large:
        yield Case([_draw(*shape)], lambda f, x: f(x, *more))


def _gated(large: bool) -> Iterator[Case]:
    for shape in [(1, 1), (3, 7), (4, 33, 48)] + [(256, 520)] * large:
        yield Case([_draw(*shape), _draw(*shape, seed=1)], lambda f, gate, up: f(gate, up))


def _embedding() -> Iterator[Case]:
    for V, C, shape in ((1, 1, (1,)), (50, 16, (3, 40)), (2000, 32, (2, 7))):
        ids = _ids(V, *shape)
        yield Case([_draw(V, C)], lambda f, weight, ids=ids: f(ids.to(weight.device), weight))


def _linear() -> Iterator[Case]:
    for N, M, shape in ((1, 1, (1,)), (33, 65, (2, 5)), (128, 384, (300,))):
        yield Case([_draw(*shape, N), _draw(M, N, seed=1), _draw(M, seed=2)], lambda f, x, w, b: f(x, w, b))


def _targets(V: int, *shape: int) -> Tensor:
    targets = _ids(V, *shape)
    return targets.where(_ids(5, *shape) > 0, IGNORED) if targets.numel() > 1 else targets


def _cross_entropy() -> Iterator[Case]:
    for N, V in ((1, 2), (7, 65), (40, 2048), (70, 2000)):
        y = _targets(V, N)
        yield Case([3 * _draw(N, V)], lambda f, z, y=y: f(z, y.to(z.device)))


def _linear_cross_entropy() -> Iterator[Case]:
    for N, C, V in ((1, 4, 3), (50, 16, 65), (600, 16, 300)):
        for cap in (None, 30.0):
            y = _targets(V, N)
            yield Case([_draw(N, C), _draw(V, C, seed=1)], lambda f, x, w, y=y, cap=cap: f(x, w, y.to(x.device), cap))


def _pointer(loss: bool) -> Iterator[Case]:
    for B, T, V in ((1, 1, 5), (2, 9, 40)):
        ids, y = _ids(V, B, T), _targets(V, B, T)
        more = [y] if loss else []
        yield Case(
            [_draw(B, T, V), _draw(B, T, T, seed=1).softmax(-1), _draw(B, T, seed=2)],
            lambda f, z, a, g, ids=ids, more=more: f(z, a, g, ids.to(z.device), *(t.to(z.device) for t in more)),
        )  # fmt: skip


def _norm(bias: bool) -> Iterator[Case]:
    for shape in ((1, 4), (3, 7, 65), (256, 520)):
        C = shape[-1]
        more = [_draw(C, seed=2)] if bias else []
        yield Case([_draw(*shape), 1 + 0.1 * _draw(C, seed=1), *more], lambda f, x, *t: f(x, *t, eps=1e-5))


def _softmax() -> Iterator[Case]:
    for shape in ((1, 1), (3, 7), (4, 33, 48)):
        yield Case([3 * _draw(*shape)], lambda f, x: f(x, -1))


def _route() -> Iterator[Case]:
    for N, E, k in ((1, 2, 1), (30, 8, 2)):

        def call(f, scores, k=k):
            weights, _, loss = f(scores, k)
            return weights, loss

        yield Case([_draw(N, E)], call, narrow=False)


def _rope() -> Iterator[Case]:
    for B, H, G, T, D in ((1, 1, 1, 1, 2), (2, 4, 2, 9, 16), (1, 4, 4, 520, 64)):
        angle = rope.angles(torch.arange(T), D, 10_000.0)
        yield Case(
            [_draw(B, H, T, D), _draw(B, G, T, D, seed=1)], lambda f, q, k, angle=angle: f(q, k, angle.to(q.device))
        )


def _qkv(B: int, H: int, G: int, T: int, S: int, D: int) -> list[Tensor]:
    return [_draw(B, H, T, D), _draw(B, G, S, D, seed=1), _draw(B, G, S, D, seed=2)]


def _attention() -> Iterator[Case]:
    for B, H, G, T, S, D in ((1, 1, 1, 1, 1, 4), (2, 4, 2, 9, 9, 16), (1, 2, 2, 1, 65, 16), (1, 2, 1, 130, 130, 32)):
        yield Case(_qkv(B, H, G, T, S, D), lambda f, q, k, v: f(q, k, v))
    yield Case(
        [*_qkv(2, 4, 2, 9, 9, 16), _draw(1, 4, 9, 9, seed=3)],
        lambda f, q, k, v, bias: f(
            q, k, v, visible=torch.ones(9, 9, dtype=torch.bool, device=q.device).tril(), bias=bias
        ),
    )


def _sparse(**knobs: int) -> Iterator[Case]:
    for B, H, G, T, D in ((1, 1, 1, 1, 4), (2, 2, 1, 9, 8), (1, 2, 2, 200, 8)):
        documents = (torch.arange(T) >= T // 3).long().repeat(B, 1)
        for packed in (None, documents):
            yield Case(
                _qkv(B, H, G, T, T, D),
                lambda f, q, k, v, packed=packed: f(q, k, v, **knobs, documents=_beside(q, packed)),
            )  # fmt: skip


def _beside(q: Tensor, packed: Tensor | None) -> Tensor | None:
    return packed if packed is None else packed.to(q.device)


def _linear_attention() -> Iterator[Case]:
    for T in (1, 9, 130):
        yield Case(
            [t.exp() if i < 2 else t for i, t in enumerate(_qkv(2, 2, 1, T, T, 8))], lambda f, q, k, v: f(q, k, v)
        )


def _short_convolution() -> Iterator[Case]:
    for T, E, W in ((1, 1, 4), (9, 12, 4), (70, 6, 3)):
        yield Case([_draw(2, T, E), _draw(E, 1, W, seed=1), _draw(E, seed=2)], lambda f, x, w, b: f(x, w, b))


def _selective_scan() -> Iterator[Case]:
    for T, E, N in ((1, 1, 1), (9, 67, 4), (70, 64, 16)):
        x, dt, b, c = (_draw(2, T, n, seed=i) for i, n in enumerate((E, E, N, N)))

        def call(f, x, dt, A, b, c, D):
            return f(x, dt.exp() / 10, -A.exp(), b, c, D)

        yield Case([x, dt, 0.1 * _draw(E, N, seed=5), b, c, _draw(E, seed=6)], call)


def _gated_delta() -> Iterator[Case]:
    for T in (1, 9, 130):

        def call(f, q, k, v, beta, alpha):
            return f(q, k / k.norm(dim=-1, keepdim=True), v, beta.sigmoid(), -alpha.exp() / 10)

        yield Case([*_qkv(2, 2, 1, T, T, 8), _draw(2, 1, T, seed=3), _draw(2, 1, T, seed=4)], call)


def _dropout() -> Iterator[Case]:
    def call(f, x):
        """The share that is dropped, what the rest is multiplied by, and x without dropout: no random number is left."""
        torch.manual_seed(0)
        y = f(torch.ones(200_000, device=x.device, dtype=x.dtype), 0.25)
        kept = y[y != 0]
        dropped = (y == 0).double().mean()
        return torch.stack([(dropped * 20).round() / 20, kept.double().mean(), kept.double().std()]), f(x, 0.0)

    yield Case([_draw(3, 4)], call, differentiable=False, narrow=False)


def _updates(n_memories: int, **knobs: float) -> Iterator[Case]:
    """Three steps of an optimizer on tensors of several shapes; its result is the weights and what it remembers."""
    for shape in ((1,), (7, 5), (130, 65)):

        def call(f, w, g):
            weights, memories = [w.clone()], [[torch.zeros_like(w)] for _ in range(n_memories)]
            for step in (1, 2, 3):
                count = {"step": step} if knobs.get("counts") else {}
                f(weights, [g * step], *memories, **{k: v for k, v in knobs.items() if k != "counts"}, **count)
            return (*weights, *(memory[0] for memory in memories))

        yield Case([_draw(*shape), _draw(*shape, seed=1)], call, differentiable=False, narrow=False)


def _ema() -> Iterator[Case]:
    def call(f, a, w):
        averages = [a.clone()]
        for step in (1, 2, 300):
            f(averages, [w], step=step, decay=0.99)
        return averages[0]

    for shape in ((1,), (130, 65)):
        yield Case([_draw(*shape), _draw(*shape, seed=1)], call, differentiable=False, narrow=False)


def _newton_schulz() -> Iterator[Case]:
    for shape in ((4, 4), (64, 24), (3, 24, 64)):
        yield Case([_draw(*shape)], lambda f, g: f(g), differentiable=False, narrow=False, coarse=True)


def _clip() -> Iterator[Case]:
    def call(f, a, b) -> Any:
        weights = [torch.zeros_like(a), torch.zeros_like(b)]
        weights[0].grad, weights[1].grad = a.clone(), b.clone()
        norm = f(weights, 1.0)
        return norm.to(a.dtype), weights[0].grad, weights[1].grad

    for size in (1e-3, 1.0):
        yield Case([size * _draw(7, 5), size * _draw(130)], call, differentiable=False, narrow=False)


ADAMW = {"lr": 0.1, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "decay": 0.1, "counts": True}
MADE: dict[str, Callable[[], Iterator[Case]]] = {
    "embedding": _embedding, "linear": _linear, "softmax": _softmax, "cross_entropy": _cross_entropy,
    "linear_cross_entropy": _linear_cross_entropy, "pointer": lambda: _pointer(False),
    "pointer_nats": lambda: _pointer(True), "layer_norm": lambda: _norm(True), "rms_norm": lambda: _norm(False),
    "sigmoid": _pointwise, "softplus": _pointwise, "relu": _pointwise, "relu2": _pointwise, "elu_plus_one": _pointwise,
    "gelu": _pointwise, "gelu_exact": _pointwise, "silu": _pointwise, "swiglu": lambda: _gated(True),
    "geglu": lambda: _gated(False), "softcap": lambda: _pointwise(False, 30.0), "route": _route, "rope": _rope,
    "attention": _attention, "sliding_window": lambda: _sparse(window=7),
    "block_sparse": lambda: _sparse(block=16), "strided": lambda: _sparse(window=7, stride=16),
    "linear_attention": _linear_attention, "short_convolution": _short_convolution, "selective_scan": _selective_scan,
    "gated_delta": _gated_delta, "dropout": _dropout, "adamw": lambda: _updates(2, **ADAMW),
    "sgd": lambda: _updates(1, lr=0.1, momentum=0.9, nesterov=True, decay=0.1),
    "lion": lambda: _updates(1, lr=0.1, beta1=0.9, beta2=0.99, decay=0.1), "ema": _ema,
    "newton_schulz": _newton_schulz, "clip": _clip,
}  # fmt: skip
"""By the name of the field of `Kernels`."""
