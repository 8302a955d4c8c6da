"""Random inputs for every formula that maps tensors to tensors, and how close is close enough.

`FORMULAS` holds one strategy per field of Kernels; a new kernel needs one here and is then tested like the others.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor

from glassformer import kernels
from glassformer.kernels import rope
from glassformer.kernels.cross_entropy import IGNORED

PLAIN, FUSED = kernels.plain(), kernels.fused()
BOTH = pytest.mark.parametrize("maths", [PLAIN, FUSED], ids=["plain", "fused"])
INF, NAN = math.inf, math.nan
SIZE = st.integers(1, 6)
LENGTH = st.sampled_from([1, 2, 7, 64, 65, 130])
"""T of formulas that work in chunks of 64 tokens."""


@dataclass
class Case:
    """The tensors to differentiate by (float64), how to call a twin, and sizes that errors are relative to."""

    tensors: list[Tensor]
    call: Callable[..., Tensor | tuple[Tensor, ...]]
    gradient_size: float = 1.0
    value_size: float = 1.0
    largest_score: float = 0.0
    """Of those that a softmax compares. Rounding a score by its last digit is an error in the logarithm of a weight, so the
    relative error of a weight grows with the score."""

    @property
    def bfloat16_tolerance(self) -> float:
        """The relative error of values to expect in bfloat16."""
        return max(0.06, self.largest_score * torch.finfo(torch.bfloat16).eps)

    def run(self, twin: Callable, dtype: torch.dtype) -> tuple[list[Tensor], list[Tensor]]:
        """Values, and the gradients of their sum weighted by fixed random numbers."""
        leaves = [t.to(dtype).requires_grad_() for t in self.tensors]
        out = self.call(twin, *leaves)
        values = list(out) if isinstance(out, tuple) else [out]
        weights = torch.Generator().manual_seed(0)
        total = sum((v.double() * torch.randn(v.shape, generator=weights, dtype=torch.float64)).sum() for v in values)
        assert isinstance(total, Tensor)
        return [v.detach() for v in values], list(torch.autograd.grad(total, leaves))


@st.composite
def numbers(draw, *shape: int, magnitudes=(1e-3, 1.0, 30.0)):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    return torch.randn(shape, generator=generator, dtype=torch.float64) * draw(st.sampled_from(magnitudes))


@st.composite
def leading(draw, *last: int, magnitudes=(1e-3, 1.0, 30.0)):
    """Numbers of shape (..., *last) with zero to two leading dimensions."""
    return draw(numbers(*draw(st.lists(SIZE, max_size=2)), *last, magnitudes=magnitudes))


@st.composite
def embedding_case(draw):
    V, ids = draw(SIZE), draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=9))
    index = torch.tensor(ids) % V
    return Case([draw(numbers(V, draw(SIZE)))], lambda f, weight: f(index, weight))


@st.composite
def linear_case(draw):
    N, M = draw(SIZE), draw(SIZE)
    bias = [draw(numbers(M))] if draw(st.booleans()) else []
    return Case([draw(leading(N)), draw(numbers(M, N)), *bias], lambda f, *t: f(*t), gradient_size=30)


@st.composite
def softmax_case(draw):
    x = draw(leading(draw(SIZE), draw(SIZE)))
    dim = draw(st.integers(-x.ndim, x.ndim - 1))
    return Case([x], lambda f, x: f(x, dim))


@st.composite
def cross_entropy_case(draw):
    N, V = draw(SIZE), draw(st.integers(1, 40))
    targets = torch.tensor(draw(st.lists(st.sampled_from([IGNORED, *range(V)]), min_size=N, max_size=N)))
    return Case([draw(numbers(N, V))], lambda f, z: f(z, targets))


@st.composite
def linear_cross_entropy_case(draw):
    """Some with more tokens than fit into a chunk."""
    N, C, V = draw(st.one_of(SIZE, st.sampled_from([512, 513, 1100]))), draw(SIZE), draw(st.integers(2, 40))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    targets = torch.randint(V, (N,), generator=generator)
    targets[torch.rand(N, generator=generator) < draw(st.sampled_from([0.0, 0.2]))] = IGNORED
    absent = torch.arange(V) == draw(st.integers(0, V - 1)) if draw(st.booleans()) else None
    if absent is not None:
        targets[targets == int(absent.nonzero())] = IGNORED
    cap = draw(st.sampled_from([None, 2.0, 30.0]))
    x, weight = draw(numbers(N, C, magnitudes=(1e-3, 1.0, 4.0))), draw(numbers(V, C, magnitudes=(1e-3, 1.0)))
    largest = weight.norm(dim=1).max().item() * x.norm(dim=1).max().item()
    return Case([x, weight], lambda f, x, w: f(x, w, targets, cap, absent), 10, largest_score=largest)


@st.composite
def pointer_case(draw, loss=False):
    B, T, S, V = draw(st.integers(1, 3)), draw(SIZE), draw(SIZE), draw(st.integers(1, 40))
    id = st.integers(0, V - 1)
    ids = torch.tensor(draw(st.lists(st.lists(id, min_size=S, max_size=S), min_size=B, max_size=B)))
    pattern = draw(numbers(B, T, S, magnitudes=(1e-3, 1.0, 3.0))).softmax(-1)
    row = st.lists(st.one_of(st.just(IGNORED), id), min_size=T, max_size=T)
    targets = [torch.tensor(draw(st.lists(row, min_size=B, max_size=B)))] if loss else []
    z, gate = draw(numbers(B, T, V, magnitudes=(1e-3, 1.0, 8.0))), draw(numbers(B, T, magnitudes=(1e-3, 1.0, 8.0)))
    return Case([z, pattern, gate], lambda f, z, a, gate: f(z, a, gate, ids, *targets))


@st.composite
def layer_norm_case(draw):
    C, eps = draw(SIZE), draw(st.sampled_from([1e-5, 1e-6, 1e-12]))
    x = draw(leading(C))
    x = x + x.abs().max() * draw(st.sampled_from([0, 3]))
    bias = [draw(numbers(C))] if draw(st.booleans()) else []
    steepest = 30 / (x.var(-1, correction=0).min().item() + eps) ** 0.5
    lost = max(1.0, steepest * x.abs().max().item())  # what subtracting the mean magnifies rounding by
    return Case([x, draw(numbers(C)), *bias], lambda f, x, w, b=None: f(x, w, b, eps), steepest * lost, lost)


@st.composite
def rms_norm_case(draw):
    C, eps = draw(SIZE), draw(st.sampled_from([1e-5, 1e-6, 1e-12]))
    x = draw(leading(C))
    steepest = 30 / ((x * x).mean(-1).min().item() + eps) ** 0.5
    return Case([x, draw(numbers(C))], lambda f, x, w: f(x, w, eps), steepest)


@st.composite
def rope_case(draw):
    B, H, G, T, D = (draw(SIZE) for _ in range(5))
    ragged = draw(st.booleans())
    index = torch.tensor(draw(st.lists(st.integers(0, 5000), min_size=B * T, max_size=B * T))).view(B, T)
    angle = rope.angles(index if ragged else index[0], 2 * D, 10_000.0)
    width, temperature = 2 * D + draw(st.integers(0, 3)), draw(st.sampled_from([1.0, 1.2]))
    q, k = draw(numbers(B, H, T, width)), draw(numbers(B, G, T, width))
    return Case([q, k], lambda f, q, k: f(q, k, angle[:, None] if ragged else angle, temperature))


def largest_score(q: Tensor, k: Tensor, *bias: Tensor) -> float:
    """A bound on |q . k / sqrt(D) + bias|."""
    products = [t.norm(dim=-1).max().item() for t in (q, k)]
    return math.prod(products) / math.sqrt(q.shape[-1]) + sum(b.abs().max().item() for b in bias)


@st.composite
def attention_case(draw):
    B, G, repeat, T, D = (draw(SIZE) for _ in range(5))
    H, S = G * repeat, T + draw(st.sampled_from([0, 1, 5]))
    q, k, v = (draw(numbers(B, heads, n, D, magnitudes=(1e-3, 1.0, 3.0))) for heads, n in ((H, T), (G, S), (G, S)))
    visible = None
    if draw(st.booleans()):
        generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
        shape = draw(st.sampled_from([(T, S), (B, 1, T, S), (B, H, T, S), (1, 1, T, S)]))
        visible = torch.rand(shape, generator=generator) < 0.5
        visible[..., 0] = True  # a query that may see nothing has no answer
    shapes = [(T, S), (1, H, 1, S), (1, H, T, S), (B, 1, T, S), (B, H, T, S)]
    bias = [draw(numbers(*draw(st.sampled_from(shapes)), magnitudes=(1.0, 5.0)))] if draw(st.booleans()) else []
    return Case(
        [q, k, v, *bias], lambda f, q, k, v, bias=None: f(q, k, v, visible=visible, bias=bias), 10,
        largest_score=largest_score(q, k, *bias),
    )  # fmt: skip


@st.composite
def documents(draw, B: int, T: int):
    """Numbers of documents packed into rows, or None for one document a row."""
    if draw(st.booleans()):
        return None
    return torch.tensor(draw(st.lists(st.integers(0, 1), min_size=B * T, max_size=B * T))).view(B, T).cumsum(1)


@st.composite
def linear_attention_case(draw):
    B, G, repeat, D, E = (draw(SIZE) for _ in range(5))
    T, H = draw(LENGTH), G * repeat
    q, k, v = (draw(numbers(B, n, T, d, magnitudes=(0.1, 1.0, 3.0))) for n, d in ((H, D), (G, D), (G, E)))
    state = [t.exp() for t in (draw(numbers(B, G, D, E, magnitudes=(1.0,))), draw(numbers(B, G, D, magnitudes=(1.0,))))]
    state, numbered = (state if draw(st.booleans()) else []), draw(documents(B, T))
    signs = [draw(numbers(*t.shape)).sign() for t in (q, k)] if draw(st.booleans()) else None

    def call(f, q, k, v, *state):
        q, k = (t.clamp(max=0).exp() + t.relu() for t in (q, k))
        turned = [t * sign.to(t.dtype) for t, sign in zip((q, k), signs)] if signs else [None, None]
        return f(q, k, v, *turned, state=state or None, documents=numbered)

    return Case([q, k, v, *state], call, 30, 10)


@st.composite
def sparse_case(draw, settings: dict[str, list[int]], older_keys: bool = False):
    """Long enough for several chunks; with and without grouped heads, packed documents and a learned bias."""
    B, G, repeat, D = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
    H, T = G * repeat, draw(st.one_of(st.integers(1, 12), st.integers(60, 200)))
    S = T + (draw(st.sampled_from([0, 3, 70])) if older_keys else 0)
    q, k, v = (draw(numbers(B, heads, n, D, magnitudes=(1e-3, 1.0, 3.0))) for heads, n in ((H, T), (G, S), (G, S)))
    knobs = {name: draw(st.sampled_from(values)) for name, values in settings.items()}
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    opens = torch.rand(B, S, generator=generator) < draw(st.sampled_from([0.0, 0.02, 0.2]))
    documents = opens.long().cumsum(1) * 2 if draw(st.booleans()) else None
    table = [draw(numbers(H, 5, magnitudes=(1.0, 3.0)))] if draw(st.booleans()) else []

    def call(f, q, k, v, table=None):
        def bias(q_index: Tensor, k_index: Tensor) -> Tensor:
            back = (q_index[..., :, None] - k_index[..., None, :]) % 5
            return table[:, back].movedim(0, -3)

        return f(q, k, v, **knobs, documents=documents, bias=None if table is None else bias)

    return Case([q, k, v, *table], call, 30, largest_score=largest_score(q, k, *table))


SLIDING_WINDOW = {"window": [1, 2, 7, 32, 50, 500]}
BLOCK_SPARSE = {"block": [1, 2, 7, 16, 500], "before": [0, 1, 2], "first": [0, 1, 2]}
STRIDED = {"window": [1, 2, 7, 32, 500], "stride": [1, 2, 7, 16, 500]}
@st.composite
def short_convolution_case(draw):
    B, T, E, W = draw(SIZE), draw(SIZE), draw(SIZE), draw(st.integers(1, 9))
    biased, continued = draw(st.booleans()), W > 1 and draw(st.booleans())
    numbered = None if continued else draw(documents(B, T))
    shapes = [(B, T, E), (E, 1, W), *([(E,)] if biased else []), *([(B, W - 1, E)] if continued else [])]
    tensors = [draw(numbers(*shape, magnitudes=(0.1, 1.0, 3.0))) for shape in shapes]

    def call(f, x, weight, *rest):
        bias, tail = (rest[0] if biased else None), (rest[-1] if continued else None)
        return f(x, weight, bias, tail, numbered)

    return Case(tensors, call, 30, 10)


@st.composite
def selective_scan_case(draw):
    B, E, N = draw(SIZE), draw(st.sampled_from([1, 3, 64, 67])), draw(SIZE)
    T = draw(LENGTH)
    x, dt, b, c = (draw(numbers(B, T, n, magnitudes=(0.1, 1.0))) for n in (E, E, N, N))
    A_log, D = draw(numbers(E, N, magnitudes=(0.1, 1.0))), draw(numbers(E, magnitudes=(1.0,)))
    state = [draw(numbers(B, E, N, magnitudes=(1.0,)))] if draw(st.booleans()) else []
    numbered = draw(documents(B, T))
    scale = draw(st.sampled_from([0.01, 1.0, 100.0]))  # from a memory of hundreds of tokens to none at all

    def call(f, x, dt, A_log, b, c, D, *state):
        return f(x, scale * dt * dt, -A_log.exp(), b, c, D, *state, documents=numbered)

    return Case([x, dt, A_log, b, c, D, *state], call, 100, 30)


@st.composite
def gated_delta_case(draw):
    B, G, repeat, D, E = (draw(SIZE) for _ in range(5))
    T, H = draw(LENGTH), G * repeat
    q, k, v = (draw(numbers(B, n, T, d, magnitudes=(0.1, 1.0))) for n, d in ((H, D), (G, D), (G, E)))
    beta, alpha = (draw(numbers(B, G, T, magnitudes=(0.1, 1.0, 3.0))) for _ in range(2))
    state = [draw(numbers(B, G, D, E, magnitudes=(1.0,)))] if draw(st.booleans()) else []
    numbered = draw(documents(B, T))
    forgetting = draw(st.sampled_from([0.001, 0.1, 10.0]))

    def call(f, q, k, v, beta, alpha, *state):
        k = k / (k.square().sum(-1, keepdim=True) + 0.1).sqrt()  # gently: near 0 the direction of k is all rounding
        return f(q, k, v, beta.sigmoid(), -forgetting * alpha * alpha, *state, documents=numbered)

    # Keys of one number are all parallel, and 64 corrections then undo each other: the worst that can happen.
    return Case([q, k, v, beta, alpha, *state], call, 300, 30)


@st.composite
def route_case(draw):
    """Scores of one token lie half a unit apart, so that rounding moves no token to another expert."""
    N, E = draw(SIZE), draw(SIZE)
    z = draw(numbers(N, E)).argsort(-1).double() / 2 - 1
    k = draw(st.integers(1, E))
    counted = draw(st.one_of(st.none(), st.lists(st.booleans(), min_size=N, max_size=N).map(torch.tensor)))
    return Case([z], lambda f, z: f(z, k, counted), 10)


FORMULAS = {
    "embedding": embedding_case(),
    "linear": linear_case(),
    "softmax": softmax_case(),
    "cross_entropy": cross_entropy_case(),
    "linear_cross_entropy": linear_cross_entropy_case(),
    "pointer": pointer_case(),
    "pointer_nats": pointer_case(loss=True),
    "layer_norm": layer_norm_case(),
    "rms_norm": rms_norm_case(),
    "relu": leading(3).map(lambda x: Case([x], lambda f, x: f(x))),
    "sigmoid": leading(3).map(lambda x: Case([x], lambda f, x: f(x))),
    "softplus": leading(3).map(lambda x: Case([x], lambda f, x: f(x))),
    "elu_plus_one": leading(3).map(lambda x: Case([x], lambda f, x: f(x))),
    "gelu": leading(3).map(lambda x: Case([x], lambda f, x: f(x))),
    "gelu_exact": leading(3).map(lambda x: Case([x], lambda f, x: f(x))),
    "silu": leading(3).map(lambda x: Case([x], lambda f, x: f(x))),
    "relu2": leading(3).map(lambda x: Case([x], lambda f, x: f(x), 60)),
    "softcap": leading(3).map(lambda x: Case([x], lambda f, x: f(x, 30.0), 1, 30)),
    "route": route_case(),
    "geglu": leading(2, 3).map(lambda x: Case([x[..., 0, :], x[..., 1, :]], lambda f, g, u: f(g, u))),
    "swiglu": leading(2, 3).map(lambda x: Case([x[..., 0, :], x[..., 1, :]], lambda f, g, u: f(g, u))),
    "rope": rope_case(),
    "attention": attention_case(),
    "sliding_window": sparse_case(SLIDING_WINDOW, older_keys=True),
    "block_sparse": sparse_case(BLOCK_SPARSE),
    "strided": sparse_case(STRIDED),
    "linear_attention": linear_attention_case(),
    "short_convolution": short_convolution_case(),
    "selective_scan": selective_scan_case(),
    "gated_delta": gated_delta_case(),
}
# formulas that work in place, draw random numbers, or (newton_schulz) iterate in bf16 have tests of their own
IN_PLACE_OR_RANDOM = {"adamw", "sgd", "lion", "ema", "clip", "dropout", "newton_schulz"}
EVERY_FORMULA = pytest.mark.parametrize("name", FORMULAS)


def check_close(actual: list[Tensor], expected: list[Tensor], tolerance: float, size: float, what: str) -> None:
    """|actual - expected| <= tolerance * the larger of `size` and the largest finite number expected; infinities agree."""
    for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
        assert a.shape == e.shape, f"{what} {i}: shape {tuple(a.shape)} instead of {tuple(e.shape)}"
        finite = e.isfinite()
        assert torch.equal(a[~finite].double(), e[~finite].double()), f"{what} {i}: infinite or not a number"
        a, e = a[finite].double(), e[finite].double()
        if not e.numel():
            continue
        limit = tolerance * max(size, e.abs().max().item())
        off = (a - e).abs().max().item()
        assert off <= limit, f"{what} {i} of shape {tuple(a.shape)}: off by {off:.3g}, allowed {limit:.3g}"
