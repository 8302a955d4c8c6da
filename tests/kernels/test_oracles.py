"""Both twins against what is neither of them: loops in Python's float64, numpy, transformers, torch.optim."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glassformer.kernels import rope

from .cases import BOTH, NAN, check_close, numbers


def softmax_by_hand(row: list[float]) -> list[float]:
    e = [math.exp(x - max(row)) for x in row]
    return [x / math.fsum(e) for x in e]


@BOTH
@settings(max_examples=15)
@given(data=st.data())
def test_attention_by_hand(maths, data):
    B, G, repeat, T, D = (data.draw(st.integers(1, 3)) for _ in range(5))
    H, S = G * repeat, T + data.draw(st.integers(0, 3))
    q, k, v = (data.draw(numbers(B, n, t, D, magnitudes=(1.0, 3.0))) for n, t in ((H, T), (G, S), (G, S)))
    bias = data.draw(numbers(1, H, T, S, magnitudes=(0.0, 1.0)))
    expected = torch.zeros(B, H, T, D, dtype=torch.float64)
    for b, h, t in np.ndindex(B, H, T):
        g = h // (H // G)
        seen = range(S - T + t + 1)
        scores = [float(q[b, h, t] @ k[b, g, s]) / math.sqrt(D) + bias[0, h, t, s].item() for s in seen]
        for s, p in zip(seen, softmax_by_hand(scores)):
            expected[b, h, t] += p * v[b, g, s]
    check_close([maths.attention(q, k, v, bias=bias)], [expected], 1e-12, 1, "attention")
    if not bias.any():
        check_close([maths.attention(q, k, v)], [expected], 1e-12, 1, "attention without bias")


@BOTH
@settings(max_examples=30)
@given(row=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=9), target=st.integers(0, 99))
def test_softmax_and_cross_entropy_by_hand(maths, row, target):
    z, y = torch.tensor([row], dtype=torch.float64), target % len(row)
    np.testing.assert_allclose(maths.softmax(z)[0], softmax_by_hand(row), rtol=1e-12, atol=1e-300)
    surprise = math.log(math.fsum(math.exp(x - max(row)) for x in row)) + max(row) - row[y]
    np.testing.assert_allclose(maths.cross_entropy(z, torch.tensor([y])).item(), surprise, rtol=1e-10, atol=1e-10)


@BOTH
def test_elementwise_formulas_by_hand(maths):
    x = [-30.0, -5.5, -1.0, -1e-4, 0.0, 1e-9, 0.5, 3.0, 20.0]
    z = torch.tensor(x, dtype=torch.float64)
    gelu = [0.5 * a * (1 + math.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))) for a in x]
    np.testing.assert_allclose(maths.gelu(z), gelu, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(maths.relu(z), [max(a, 0.0) for a in x])
    silu = [a / (1 + math.exp(-a)) for a in x]
    np.testing.assert_allclose(maths.silu(z), silu, rtol=1e-12)
    np.testing.assert_allclose(maths.swiglu(z, z.flip(0)), np.multiply(silu, x[::-1]), rtol=1e-12)
    np.testing.assert_allclose(maths.sigmoid(z), [1 / (1 + math.exp(-a)) for a in x], rtol=1e-12)
    np.testing.assert_allclose(maths.softplus(z), [math.log1p(math.exp(a)) for a in x], rtol=1e-12)
    np.testing.assert_allclose(maths.elu_plus_one(z), [a + 1 if a > 0 else math.exp(a) for a in x], rtol=1e-12)
    exact = [a * math.erfc(-a / math.sqrt(2)) / 2 for a in x]
    np.testing.assert_allclose(maths.gelu_exact(z), exact, rtol=1e-12, atol=1e-15)
    assert 1e-4 < (maths.gelu(z) - maths.gelu_exact(z)).abs().max() < 5e-4, "the approximation is another formula"


@BOTH
def test_norms_linear_and_embedding_in_numpy(maths):
    random = np.random.default_rng(0)
    x, w, b, W = random.normal(2, 3, (4, 7)), random.normal(size=7), random.normal(size=7), random.normal(size=(5, 7))
    tx, tw, tb, tW = map(torch.from_numpy, (x, w, b, W))
    centred = x - x.mean(1, keepdims=True)
    expected = centred / np.sqrt(x.var(1, keepdims=True) + 0.1) * w
    np.testing.assert_allclose(maths.layer_norm(tx, tw, tb, 0.1), expected + b, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(maths.layer_norm(tx, tw, None, 0.1), expected, rtol=1e-12, atol=1e-12)
    rms = np.sqrt(np.square(x).mean(1, keepdims=True) + 0.1)
    np.testing.assert_allclose(maths.rms_norm(tx, tw, 0.1), x / rms * w, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(maths.linear(tx, tW, tb[:5]), np.einsum("bn,mn->bm", x, W) + b[:5], rtol=1e-12)
    np.testing.assert_array_equal(maths.embedding(torch.tensor([[3, 0], [3, 4]]), tW), W[[[3, 0], [3, 4]]])


@BOTH
def test_rope_is_that_of_transformers(maths):
    llama = pytest.importorskip("transformers.models.llama.modeling_llama")
    D, base = 128, 10_000.0
    config = llama.LlamaConfig(hidden_size=4 * D, num_attention_heads=4, rope_theta=base, max_position_embeddings=8192)
    q, k, index = torch.randn(2, 4, 9, D), torch.randn(2, 2, 9, D), torch.arange(9) + 8183
    cos, sin = llama.LlamaRotaryEmbedding(config)(q, index[None])
    expected = llama.apply_rotary_pos_emb(q, k, cos, sin)
    actual = maths.rope(q, k, rope.angles(index, D, base))
    check_close(list(actual), list(expected), 1e-6, 1, "rope")  # an ulp in a frequency is 1e-3 here


@pytest.mark.parametrize("base", [500.0, 10_000.0, 500_000.0, 1e6])
@pytest.mark.parametrize("width", [2, 8, 64, 80, 96, 128, 256])
def test_rope_frequencies_are_those_of_llama_to_the_bit(width, base):
    """The expression of every reference: another one with the same value in exact arithmetic differs by an ulp."""
    expected = 1.0 / (base ** (torch.arange(0, width, 2, dtype=torch.int64).to(dtype=torch.float) / width))
    assert torch.equal(rope.frequencies(width, base, torch.device("cpu")), expected)


@BOTH
@settings(max_examples=20)
@given(p=st.integers(0, 4000), r=st.integers(0, 4000), shift=st.integers(0, 4000), D=st.integers(1, 8))
def test_rope_keeps_lengths_and_knows_only_distances(maths, p, r, shift, D):
    q, k = torch.randn(1, 1, 1, 2 * D, dtype=torch.float64), torch.randn(1, 1, 1, 2 * D, dtype=torch.float64)

    def turned(query_at: int, key_at: int) -> tuple[Tensor, Tensor]:
        at = torch.tensor([query_at, key_at])
        angle = rope.angles(at, 2 * D, 10_000.0)
        return maths.rope(q, k, angle[:1])[0], maths.rope(q, k, angle[1:])[1]

    (q1, k1), (q2, k2) = turned(p, r), turned(p + shift, r + shift)
    torch.testing.assert_close(q1.norm(), q.norm())
    torch.testing.assert_close((q1 * k1).sum(), (q2 * k2).sum(), atol=1e-2, rtol=0)  # the angles are float32


@BOTH
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@settings(max_examples=10)
@given(
    lr=st.sampled_from([1e-4, 0.1]), decay=st.sampled_from([0.0, 0.1]), beta1=st.sampled_from([0.0, 0.9]),
    beta2=st.sampled_from([0.95, 0.999]), eps=st.sampled_from([1e-8, 1e-3]), size=st.sampled_from([1e-12, 1.0, 1e6]),
)  # fmt: skip
def test_adamw_is_torchs(maths, dtype, tolerance, lr, decay, beta1, beta2, eps, size):
    random = torch.Generator().manual_seed(1)
    weights = [torch.randn(shape, dtype=dtype, generator=random) for shape in ((), (3,), (4, 5))]
    theirs = [w.clone().requires_grad_() for w in weights]
    means, squares = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    options = {"betas": (beta1, beta2), "eps": eps, "weight_decay": decay, "lr": lr}
    optimizer = torch.optim.AdamW(theirs, foreach=False, fused=False, **options)
    for step in range(1, 6):
        gradients = [torch.randn(w.shape, dtype=dtype, generator=random) * size for w in weights]
        before = [g.clone() for g in gradients]
        maths.adamw(
            weights, gradients, means, squares, step=step, lr=lr, beta1=beta1, beta2=beta2, eps=eps, decay=decay
        )
        for w, g in zip(theirs, gradients):
            w.grad = g
        optimizer.step()
        assert all(torch.equal(a, b) for a, b in zip(before, gradients)), "gradients are not adamw's to change"
        check_close(weights, [w.detach() for w in theirs], tolerance * 5, 1, f"weights after step {step}")
        state = [optimizer.state[w] for w in theirs]
        check_close(means, [s["exp_avg"] for s in state], tolerance, 0, f"means after step {step}")
        check_close(squares, [s["exp_avg_sq"] for s in state], tolerance * 10, 0, f"squares after step {step}")


@BOTH
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 1e-6)]
)
@pytest.mark.parametrize("limit", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("size", [1e-10, 1.0, 1e10, NAN])
def test_clip_is_torchs(maths, dtype, tolerance, limit, size):
    """The norm of narrow gradients is taken in float32; the clipped gradients are rounded once."""
    random = torch.Generator().manual_seed(2)
    ours = [torch.zeros(shape, dtype=dtype, requires_grad=True) for shape in ((), (3,), (4, 5), (2,))]
    theirs = [w.detach().double().requires_grad_() for w in ours]
    for w, t in zip(ours[:-1], theirs):  # the last one has no gradient
        w.grad = torch.randn(w.shape, dtype=dtype, generator=random) * size
        t.grad = w.grad.double().clone()
    norm = maths.clip(ours, limit)
    expected = torch.nn.utils.clip_grad_norm_(theirs, limit)
    assert norm.ndim == 0 and ours[-1].grad is None
    if math.isnan(size):
        assert norm.isnan(), "a NaN must reach whoever watches the norm"
        return
    check_close([norm], [expected], tolerance, 0, "norm")
    rounded_once = max(tolerance, torch.finfo(dtype).eps / 2)
    check_close([w.grad for w in ours[:-1]], [t.grad for t in theirs[:-1]], rounded_once, 0, "gradients")  # pyright: ignore


@BOTH
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_sgd_is_torchs(maths, dtype, tolerance, nesterov, decay):
    random = torch.Generator().manual_seed(1)
    weights = [torch.randn(shape, dtype=dtype, generator=random) for shape in ((), (3,), (4, 5))]
    theirs, sums = [w.clone().requires_grad_() for w in weights], [torch.zeros_like(w) for w in weights]
    optimizer = torch.optim.SGD(theirs, lr=0.1, momentum=0.9, nesterov=nesterov, foreach=False)
    for step in range(1, 6):
        gradients = [torch.randn(w.shape, dtype=dtype, generator=random) for w in weights]
        maths.sgd(weights, [g.clone() for g in gradients], sums, lr=0.1, momentum=0.9, nesterov=nesterov, decay=decay)
        for w, g in zip(theirs, gradients):
            w.data.mul_(1 - 0.1 * decay)  # torch's own decay goes through the gradient
            w.grad = g
        optimizer.step()
        check_close(weights, [w.detach() for w in theirs], tolerance * 5, 1, f"weights after step {step}")


@BOTH
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_lion_is_its_paper_in_numpy(maths, dtype, tolerance):
    """Algorithm 2 of Chen et al. (2023), where eta is the rate and lambda the decay."""
    random = np.random.default_rng(1)
    theta, m = random.standard_normal((4, 5)), np.zeros((4, 5))
    w, mean = torch.tensor(theta, dtype=dtype), torch.zeros(4, 5, dtype=dtype)
    for _ in range(6):
        g = random.standard_normal((4, 5))
        c = 0.9 * m + 0.1 * g
        theta = theta - 0.01 * (np.sign(c) + 0.3 * theta)
        m = 0.99 * m + 0.01 * g
        maths.lion([w], [torch.tensor(g, dtype=dtype)], [mean], lr=0.01, beta1=0.9, beta2=0.99, decay=0.3)
        check_close([w, mean], [torch.tensor(theta), torch.tensor(m)], tolerance * 5, 1, "weights and means")
