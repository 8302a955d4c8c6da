"""Every formula where its inputs end: nothing, one of each, a query that sees nothing, all targets ignored, all dropped.

Both twins accept what either accepts, in every dtype, and give the same numbers: none is NaN, in values and gradients.
"""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from glassformer.kernels import attention
from glassformer.kernels.cross_entropy import IGNORED

from .cases import BOTH, FORMULAS, FUSED, PLAIN, Case, check_close

INF = math.inf
DTYPES = {torch.float64: 1e-10, torch.float32: 2e-5, torch.bfloat16: 0.06, torch.float16: 0.01}
EVERY_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=[str(d).removeprefix("torch.") for d in DTYPES])
KEYS_AND_QUERIES = {
    "empty batch": (0, 3, 3),
    "no query": (2, 0, 3),
    "no key": (2, 3, 0),
    "nothing at all": (0, 0, 0),
    "one token": (1, 1, 1),
    "one query, many keys": (1, 1, 5),
    "more queries than keys": (2, 5, 3),  # the first ones see nothing
}


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(math.prod(shape)), dtype=torch.float64)


def numbers(*shapes: tuple[int, ...], settings=None, **more) -> Case:
    """A call with normal numbers of these shapes, then with these settings."""
    return Case([normal(*shape) for shape in shapes], lambda f, *t: f(*t, **(settings or {}), **more), 10)


def elementwise(*more) -> dict[str, Case]:
    shapes = {"nothing": (0,), "an empty dimension": (2, 0, 3), "a scalar": (), "one": (1,)}
    return {name: Case([normal(*shape)], lambda f, x: f(x, *more)) for name, shape in shapes.items()}


def gated() -> dict[str, Case]:
    shapes = {"nothing": (0,), "an empty dimension": (2, 0, 3), "a scalar": (), "one": (1,)}
    return {name: numbers(shape, shape) for name, shape in shapes.items()}


def looked_up(ids: list, rows: int) -> Case:
    return Case([normal(rows, 3)], lambda f, w: f(torch.tensor(ids, dtype=torch.long), w))


def scored(targets: list | int, *shape: int) -> Case:
    """Logits (*shape) for these targets."""
    return Case([normal(*shape)], lambda f, z: f(z, torch.tensor(targets, dtype=torch.long).view(shape[:-1])))


def headed(targets: list | int, *shape: int, V: int = 5) -> Case:
    """A stream (*shape, 3) and the head's weights (V, 3) for these targets."""
    wanted = torch.tensor(targets, dtype=torch.long).view(shape)
    return Case([normal(*shape, 3), normal(V, 3)], lambda f, x, w: f(x, w, wanted))


def pointed(B: int, T: int, S: int, targets: list | None = None, ids: list | None = None, V: int = 5) -> Case:
    """Logits (B, T, V), a pattern (B, T, S), a gate (B, T) and the ids (B, S) that it may copy; with targets, nats."""
    words = torch.tensor(ids if ids is not None else [k % V for k in range(B * S)], dtype=torch.long).view(B, S)
    more = [] if targets is None else [torch.tensor(targets, dtype=torch.long).view(B, T)]
    pattern = normal(B, T, S).softmax(-1) if S else normal(B, T, S)
    return Case([normal(B, T, V), pattern, normal(B, T)], lambda f, z, a, gate: f(z, a, gate, words, *more), 10)


def masked(visible: list | None, bias: list | None = None, **settings) -> Case:
    """Three queries and keys, two heads; visible and bias (3, 3)."""
    seen = None if visible is None else torch.tensor(visible, dtype=torch.bool)
    biases = [] if bias is None else [torch.tensor(bias, dtype=torch.float64)]

    def call(f, q, k, v, bias=None):
        return f(q, k, v, visible=seen, bias=bias, **settings)

    return Case([normal(2, 2, 3, 4), normal(2, 1, 3, 4), normal(2, 1, 3, 4), *biases], call, 10)


def attentions() -> dict[str, Case]:
    sizes = {
        what: numbers((B, 2, T, 4), (B, 1, S, 4), (B, 1, S, 4)) for what, (B, T, S) in KEYS_AND_QUERIES.items()
    }
    return sizes | {
        "a query that sees nothing": masked([[1, 0, 0], [0, 0, 0], [1, 1, 1]]),
        "nobody sees anything": masked([[0, 0, 0]] * 3),
        "a query that sees nothing, biased": masked([[1, 0, 0], [0, 0, 0], [1, 1, 1]], [[1.0, 2, 3]] * 3),
        "a bias that hides all keys": masked(None, [[0, 0, 0], [-INF, -INF, -INF], [0, -INF, 0]]),
        "all weights dropped": masked([[1, 0, 0], [0, 0, 0], [1, 1, 1]], dropout_p=1.0),
    }


def sparse(*sizes: int) -> dict[str, Case]:
    def case(B: int, T: int, documents: list | None = None, **more) -> Case:
        numbered = None if documents is None else torch.tensor(documents)
        shapes = (B, 2, T, 4), (B, 1, T, 4), (B, 1, T, 4)
        return Case([normal(*s) for s in shapes], lambda f, *t: f(*t, *sizes, documents=numbered, **more), 10)

    return {
        "empty batch": case(0, 5),
        "empty batch, long": case(0, 200),
        "no token": case(2, 0),
        "one token": case(1, 1),
        "documents of one token": case(2, 5, [[0, 1, 2, 3, 4]] * 2),
        "long documents of one token": case(1, 200, [list(range(200))]),
        "no token, packed": case(2, 0, [[], []]),
        "all weights dropped": case(1, 5, dropout_p=1.0),
        "all weights dropped, long": case(1, 200, dropout_p=1.0),
    }


def recurrent(call: Callable[[int, int], list[tuple[int, ...]]], prepared: Callable) -> dict[str, Case]:
    """`call(B, T)`: the shapes; `prepared(*tensors)`: what the formula is handed. These formulas need a token."""

    def case(B: int, T: int, documents: list | None = None) -> Case:
        numbered = None if documents is None else torch.tensor(documents, dtype=torch.long)
        return Case([normal(*s) for s in call(B, T)], lambda f, *t: f(*prepared(*t), documents=numbered), 30, 10)

    return {
        "empty batch": case(0, 5),
        "one token": case(1, 1),
        "documents of one token": case(2, 4, [[0, 1, 2, 3]] * 2),
        "one token, packed": case(2, 1, [[3], [4]]),
    }


EDGES: dict[str, dict[str, Case]] = {
    "embedding": {"nothing": looked_up([], 2), "a scalar": looked_up(1, 2), "one row": looked_up([[0, 0]], 1)},
    "linear": {
        "nothing": numbers((0, 3), (2, 3), (2,)), "a vector": numbers((3,), (2, 3)), "one": numbers((1, 1), (1, 1)),
        "no input": numbers((2, 0), (3, 0), (3,)), "no output": numbers((2, 3), (0, 3), (0,)),
    },
    "softmax": {
        "nothing": numbers((0, 5)), "no score": numbers((5, 0)), "one": numbers((5, 1)),
        "a row of -inf": Case([torch.tensor([[-INF, -INF, -INF], [0.0, -INF, 1.0]]).double()], lambda f, x: f(x)),
        "a column of -inf": Case([torch.tensor([[-INF, 0.0], [-INF, 1.0]]).double()], lambda f, x: f(x, 0)),
    },
    "cross_entropy": {
        "nothing": scored([], 0, 5), "a scalar": scored(3, 5), "one": scored([0], 1, 1),
        "batch and time": scored([[0, 1, IGNORED], [4, IGNORED, 2]], 2, 3, 5), "no row": scored([], 0, 3, 5),
        "all ignored": scored([IGNORED] * 3, 3, 5), "all ignored, batch and time": scored([[IGNORED] * 3] * 2, 2, 3, 5),
        "impossible words": Case(
            [torch.tensor([[0.0, -INF, 1.0], [-INF, -INF, 2.0]]).double()], lambda f, z: f(z, torch.tensor([0, 2]))
        ),
    },
    "pointer": {
        "empty batch": pointed(0, 3, 3), "no query": pointed(2, 0, 3), "one token": pointed(1, 1, 1),
        "one word everywhere": pointed(2, 3, 4, ids=[2] * 8), "a vocabulary of one": pointed(1, 2, 2, V=1),
    },
    "pointer_nats": {
        "empty batch": pointed(0, 3, 3, []), "no query": pointed(2, 0, 3, []), "one token": pointed(1, 1, 1, [0]),
        "nothing counts": pointed(1, 2, 2, [IGNORED, IGNORED]), "a word that is not there": pointed(1, 1, 2, [4], [0, 1]),
        "every word is the one": pointed(1, 2, 3, [1, IGNORED], [1, 1, 1]),
    },
    "linear_cross_entropy": {
        "nothing": headed([], 0), "one": headed([0], 1, V=1), "a vector": headed(3), "no row": headed([], 0, 3),
        "batch and time": headed([[0, 1, IGNORED], [4, IGNORED, 2]], 2, 3), "all ignored": headed([IGNORED] * 3, 3),
    },
    "layer_norm": {
        "nothing": numbers((0, 3), (3,), (3,)), "a vector": numbers((3,), (3,)), "one": numbers((4, 1), (1,), (1,)),
        "zeros": Case([torch.zeros(2, 3).double(), normal(3)], lambda f, x, w: f(x, w), 1e3),
    },
    "rms_norm": {
        "nothing": numbers((0, 3), (3,)), "a vector": numbers((3,), (3,)), "one": numbers((4, 1), (1,)),
        "zeros": Case([torch.zeros(2, 3).double(), normal(3)], lambda f, x, w: f(x, w), 1e4),
    },
    **{name: elementwise() for name in ("sigmoid", "softplus", "relu", "relu2", "elu_plus_one")},
    **{name: elementwise() for name in ("gelu", "gelu_exact", "silu")},
    "softcap": elementwise(30.0),
    "swiglu": gated(),
    "geglu": gated(),
    "route": {
        "no token": numbers((0, 4), k=2), "one expert": numbers((3, 1), k=1), "every expert": numbers((1, 3), k=3),
    },
    "rope": {
        what: numbers((B, 2, T, 4), (B, 1, T, 4), angle=torch.rand(T, 2)) for what, (B, T) in
        {"empty batch": (0, 3), "no token": (2, 0), "one token": (1, 1)}.items()
    },
    "attention": attentions(),
    "sliding_window": sparse(3) | {f"no window, {what}": case for what, case in sparse(0).items()},
    "block_sparse": sparse(2, 1, 1),
    "strided": sparse(2, 3),
    "linear_attention": recurrent(
        lambda B, T: [(B, 2, T, 3), (B, 1, T, 3), (B, 1, T, 4)], lambda q, k, v: (q.exp(), k.exp(), v)
    ),
    "short_convolution": recurrent(lambda B, T: [(B, T, 3), (3, 1, 4), (3,)], lambda x, w, b: (x, w, b, None)),
    "selective_scan": recurrent(
        lambda B, T: [(B, T, 3), (B, T, 3), (3, 2), (B, T, 2), (B, T, 2), (3,)],
        lambda x, dt, A, B, C, D: (x, dt.exp(), -A.exp(), B, C, D),
    ),
    "gated_delta": recurrent(
        lambda B, T: [(B, 2, T, 3), (B, 1, T, 3), (B, 1, T, 4), (B, 1, T), (B, 1, T)],
        lambda q, k, v, beta, alpha: (q, k / (1 + k.norm(dim=-1, keepdim=True)), v, beta.sigmoid(), -alpha.exp()),
    ),
}  # fmt: skip
EVERY_EDGE = pytest.mark.parametrize(
    ("name", "edge"), [(name, edge) for name in EDGES for edge in EDGES[name]], ids=lambda text: text.replace(" ", "_")
)


def test_every_formula_has_edges():
    assert EDGES.keys() == FORMULAS.keys()


@EVERY_EDGE
@EVERY_DTYPE
def test_the_twins_agree_at_the_edges(name, edge, dtype):
    case = EDGES[name][edge]
    case.tensors = [t.to(dtype).double() for t in case.tensors]
    exact = case.run(getattr(PLAIN, name), torch.float64)
    assert not any(t.isnan().any() for t in [*exact[0], *exact[1]])
    for which, twin in (("plain", getattr(PLAIN, name)), ("fused", getattr(FUSED, name))):
        values, gradients = case.run(twin, dtype)
        what = f"{name}.{which} in {dtype}"
        check_close(values, exact[0], DTYPES[dtype], case.value_size, f"{what}, value")
        check_close(gradients, exact[1], DTYPES[dtype], case.gradient_size, f"{what}, gradient")


@pytest.mark.parametrize("edge", EDGES["attention"])
def test_attention_that_keeps_its_pattern_agrees_at_the_edges(edge):
    """`fused` takes this form in bf16 only, where nothing can be compared closely."""
    exact = EDGES["attention"][edge].run(PLAIN.attention, torch.float64)
    values, gradients = EDGES["attention"][edge].run(attention.short, torch.float64)
    check_close(values + gradients, exact[0] + exact[1], 1e-10, 1, edge)


@BOTH
@pytest.mark.parametrize("name", ["attention", "sliding_window", "block_sparse", "strided"])
def test_attention_asks_for_a_dimension_for_the_heads(maths, name):
    sizes = {"sliding_window": (3,), "block_sparse": (2,), "strided": (2, 3)}.get(name, ())
    q, k = torch.randn(2, 6, 5, 4), torch.randn(2, 4, 5, 4)
    for wrong in ((q[:, 0], q[:, 0], q[:, 0]), (q, k, k)):
        with pytest.raises(ValueError, match=r"q \(B, H, T, D\) and k, v \(B, G, S, D\) where G divides H"):
            getattr(maths, name)(*wrong, *sizes)


@BOTH
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_numbers_count_many_tokens(maths, dtype):
    """bfloat16 cannot count beyond 256, nor float16 beyond 65,504."""
    scores = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=dtype).repeat(40_000, 1)
    loss = maths.route(scores, 1)[2]
    torch.testing.assert_close(loss.double(), PLAIN.route(scores.double(), 1)[2], atol=3e-3, rtol=0)


# Formulas that draw random numbers or work in place.


@BOTH
@EVERY_DTYPE
def test_dropping_nothing_and_everything(maths, dtype):
    for shape in ((0,), (), (3, 2)):
        x = torch.randn(shape, dtype=dtype, requires_grad=True)
        assert maths.dropout(x, 0.0) is x
        y = maths.dropout(x, 1.0)
        (gradient,) = torch.autograd.grad(y.sum(), x)
        assert y.dtype == dtype and torch.equal(y, torch.zeros_like(x)) and torch.equal(gradient, y)


@BOTH
@EVERY_DTYPE
def test_clipping_nothing(maths, dtype):
    frozen, empty, zero = (torch.zeros(n, dtype=dtype, requires_grad=True) for n in (2, 0, 3))
    empty.grad, zero.grad = torch.zeros_like(empty), torch.zeros_like(zero)
    for weights in ([], [frozen], [frozen, empty], [empty, frozen, zero]):
        norm = maths.clip(weights, 1.0)
        assert norm.ndim == 0 and norm == 0 and frozen.grad is None and torch.equal(zero.grad, torch.zeros_like(zero))


@BOTH
def test_stepping_nothing(maths):
    settings = {"step": 1, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "decay": 0.1}
    maths.adamw([], [], [], [], **settings)
    empty, scalar = ([torch.ones(shape)] for shape in ((0,), ()))
    for weights in (empty, scalar):
        maths.adamw(weights, *([torch.zeros_like(weights[0])] for _ in range(3)), **settings)
    torch.testing.assert_close(scalar[0], torch.tensor(0.99))
    maths.sgd([], [], [], lr=0.1, momentum=0.9, nesterov=True, decay=0.1)
    maths.lion([], [], [], lr=0.1, beta1=0.9, beta2=0.99, decay=0.1)
    maths.ema([], [], step=1, decay=0.9)


@BOTH
@EVERY_DTYPE
def test_orthogonalising_nothing(maths, dtype):
    for shape in ((0, 3, 4), (3, 4), (1, 1)):
        assert torch.equal(maths.newton_schulz(torch.zeros(shape, dtype=dtype)), torch.zeros(shape, dtype=dtype))
