"""Every formula: plain equals fused in values and gradients, also where float32 is short of room."""

import math
import warnings
from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glassformer.kernels import Kernels, attention
from glassformer.kernels.cross_entropy import IGNORED

from .cases import BOTH, EVERY_FORMULA, FORMULAS, FUSED, IN_PLACE_OR_RANDOM, INF, NAN, PLAIN, Case, check_close


def test_no_formula_is_forgotten():
    assert FORMULAS.keys() | IN_PLACE_OR_RANDOM == {f.name for f in fields(Kernels)}


@EVERY_FORMULA
@settings(max_examples=60)
@given(data=st.data())
def test_the_twins_agree_in_values_and_gradients(name, data):
    case: Case = data.draw(FORMULAS[name])
    case.tensors = [t.float().double() for t in case.tensors]  # both dtypes start from the same numbers
    plain, fused = getattr(PLAIN, name), getattr(FUSED, name)
    exact = case.run(plain, torch.float64)
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 2e-5)):
        for which, twin in (("plain", plain), ("fused", fused)):
            values, gradients = case.run(twin, dtype)
            assert values[0].dtype == gradients[0].dtype == dtype
            check_close(values, exact[0], tolerance, case.value_size, f"{name}.{which} in {dtype}, value")
            check_close(gradients, exact[1], tolerance, case.gradient_size, f"{name}.{which} in {dtype}, gradient")


@settings(max_examples=60)
@given(case=FORMULAS["attention"])
def test_attention_that_keeps_its_pattern_is_the_same_formula(case):
    """`fused` takes this form in bf16 only, where nothing can be compared closely."""
    values, gradients = case.run(attention.short, torch.float64)
    exact = case.run(PLAIN.attention, torch.float64)
    check_close(values, exact[0], 1e-10, case.value_size, "value")
    check_close(gradients, exact[1], 1e-10, case.gradient_size, "gradient")


@EVERY_FORMULA
@settings(max_examples=20)
@given(data=st.data())
def test_bfloat16_is_coarser_and_nothing_else(name, data):
    case: Case = data.draw(FORMULAS[name])
    case.tensors = [t.bfloat16().double() for t in case.tensors]  # both sides start from the same numbers
    exact = case.run(getattr(PLAIN, name), torch.float64)[0]
    for which, twin in (("plain", getattr(PLAIN, name)), ("fused", getattr(FUSED, name))):
        values, gradients = case.run(twin, torch.bfloat16)
        is_wide = name in ("cross_entropy", "linear_cross_entropy", "pointer", "pointer_nats")
        assert values[0].dtype == (torch.float32 if is_wide else torch.bfloat16)
        assert all(g.dtype == torch.bfloat16 and g.isfinite().all() for g in gradients)
        if name not in ("layer_norm", "rms_norm"):  # their slope near 0 exceeds what 8 bits resolve
            check_close(values, exact, case.bfloat16_tolerance, 1.0, f"{name}.{which}")


@EVERY_FORMULA
@settings(max_examples=5)
@given(data=st.data())
def test_the_gradient_of_plain_is_its_slope(name, data):
    """Against float64 finite differences.

    Those take steps of 1e-6. A row of x whose size is that of sqrt(eps), which may be 1e-6 too, is bent within one step,
    so norms are asked about rows of numbers between 0.5 and 2.
    """
    case: Case = data.draw(FORMULAS[name])
    tensors = [t / max(t.abs().max().item(), 1e-9) for t in case.tensors]
    if name in ("layer_norm", "rms_norm"):
        sizes = torch.linspace(0.5, 2, tensors[0].numel(), dtype=torch.float64)
        signs = 1.0 - 2 * (torch.arange(tensors[0].numel()) % 2)
        tensors[0] = (sizes * signs).view(tensors[0].shape)
    leaves = [t.requires_grad_() for t in tensors]
    assert torch.autograd.gradcheck(lambda *t: case.call(getattr(PLAIN, name), *t), leaves, fast_mode=True)


@BOTH
@pytest.mark.parametrize(("T", "S"), [(1, 1), (1, 7), (3, 7), (7, 7)])
def test_no_mask_means_causal_with_the_last_query_at_the_last_key(maths, T, S):
    q, k, v = torch.randn(2, 4, T, 8), torch.randn(2, 2, S, 8), torch.randn(2, 2, S, 8)
    spoken = attention.causal(T, S, q.device)
    assert [[s - (S - T) <= t for s in range(S)] for t in range(T)] == spoken.tolist()
    torch.testing.assert_close(maths.attention(q, k, v), maths.attention(q, k, v, visible=spoken))
    v = v.requires_grad_()
    (gradient,) = torch.autograd.grad(maths.attention(q, k, v)[:, :, 0].sum(), v)
    assert (gradient[:, :, S - T + 1 :] == 0).all(), "the first query moved with a later key"


# What autocast mixes: narrow numbers, wide parameters.


def test_a_wide_weight_does_not_cost_rms_norm_its_kernel():
    x, weight = torch.randn(4, 8, dtype=torch.bfloat16, requires_grad=True), torch.rand(8) + 0.5
    torch.set_warn_always(True)
    with warnings.catch_warnings(action="error"):  # torch warns where it falls back
        y = FUSED.rms_norm(x, weight)
    torch.set_warn_always(False)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), PLAIN.rms_norm(x.float(), weight), atol=0.03, rtol=0.03)


@BOTH
def test_attention_takes_a_wide_bias(maths):
    q, k, v = torch.randn(3, 1, 2, 5, 8, dtype=torch.bfloat16).unbind()
    y = maths.attention(q, k, v, bias=torch.randn(2, 5, 5))
    assert y.dtype == torch.bfloat16 and y.isfinite().all()


def test_a_convolution_may_be_wider_than_the_text():
    x, weight, numbered = torch.randn(1, 4, 3), torch.randn(3, 1, 7), torch.tensor([[0, 0, 1, 1]])
    first = PLAIN.short_convolution(x[:, 2:], weight)
    torch.testing.assert_close(PLAIN.short_convolution(x, weight, documents=numbered)[:, 2:], first)


# Where float32 is short of room.


def both_ways(name: str, *tensors: Tensor, **settings) -> list[tuple[list[Tensor], list[Tensor]]]:
    case = Case(list(tensors), lambda f, *t: f(*t, **settings))
    return [case.run(getattr(maths, name), torch.float32) for maths in (PLAIN, FUSED)]


def test_softmax_and_cross_entropy_of_huge_scores():
    z = torch.tensor([[1e4, -1e4, 0.0], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4 - 1], [3e38, 0.0, -3e38], [0.0, -INF, -INF]])
    for (value,), (gradient,) in both_ways("softmax", z):
        assert value.isfinite().all() and gradient.isfinite().all()
        torch.testing.assert_close(value.sum(-1), torch.ones(5))
        torch.testing.assert_close(value[1], torch.full((3,), 1 / 3))
    y = torch.tensor([1, 0, 2, IGNORED, 0])
    for (value,), (gradient,) in both_ways("cross_entropy", z[:5], targets=y):
        torch.testing.assert_close(value, torch.tensor([2e4, math.log(3), math.log(2 * math.e + 1), 0, 0]))
        assert gradient.isfinite().all() and (gradient[3] == 0).all()


@pytest.mark.parametrize("size", [1e-20, 1e-10, 1.0, 1e10, 1e18, 1e20])
def test_rms_norm_of_tiny_and_huge_streams(size):
    x = torch.tensor([[1.0, -2.0, 3.0, 4.0]]) * size
    (value, gradient), (fused_value, fused_gradient) = both_ways("rms_norm", x, torch.ones(4))
    assert value[0].isfinite().all() and all(g.isfinite().all() for g in gradient)
    check_close(fused_value, value, 1e-6, 0, "value")
    if size <= 1e10:  # beyond, the fused gradient loses a term: (mean square)^(-3/2) leaves float32
        check_close(fused_gradient[:1], gradient[:1], 1e-6, 0, "gradient of x")
    if 1 <= size <= 1e18:  # beyond, the mean square leaves float32 and both twins answer 0
        torch.testing.assert_close(value[0].square().mean(), torch.tensor(1.0))


@pytest.mark.parametrize("constant", [0.0, 0.1, -3.0, 1e3])
def test_layer_norm_of_a_constant_is_its_bias(constant):
    C = 768
    for (value,), gradients in both_ways(
        "layer_norm", torch.full((2, C), constant), torch.ones(C), torch.full((C,), 0.5)
    ):
        torch.testing.assert_close(value, torch.full((2, C), 0.5), atol=1e-5 + 5e-5 * abs(constant), rtol=0)
        assert all(g.isfinite().all() for g in gradients)


def test_activations_far_from_zero_have_their_limits_as_value_and_slope():
    x = torch.tensor([-1e30, -1e4, -100.0, -50.0, 50.0, 100.0, 1e4])
    ones = torch.ones_like(x)
    for maths in (PLAIN, FUSED):
        gates = (maths.gelu_exact, maths.silu, lambda g: maths.swiglu(g, ones))  # noqa: B023
        for f in (maths.gelu, *gates, maths.relu, maths.softplus):
            there = x[1:] if f == maths.gelu else x  # the cube of 1e30 is beyond float32
            leaf = there.clone().requires_grad_()
            value = f(leaf)
            value.sum().backward()
            torch.testing.assert_close(value.detach(), there.clamp(min=0), atol=1e-15, rtol=0)
            torch.testing.assert_close(leaf.grad, (there > 0).float(), atol=1e-15, rtol=0)


@BOTH
def test_relu_at_its_corner_and_at_the_ends(maths):
    x = torch.tensor([-INF, -0.0, 0.0, INF, NAN], requires_grad=True)
    value = maths.relu(x)
    value.sum().backward()
    assert value[:4].tolist() == [0.0, 0.0, 0.0, INF] and value[4].isnan(), "NaN must stay visible"
    assert x.grad is not None and x.grad[:4].tolist() == [0.0, 0.0, 0.0, 1.0]


# Formulas that draw random numbers.


@BOTH
def test_dropout_drops_a_share_and_keeps_the_mean(maths):
    torch.manual_seed(0)
    x = torch.full((200, 500), 3.0, requires_grad=True)
    assert maths.dropout(x, 0.0) is x
    y = maths.dropout(x, 0.3)
    y.sum().backward()
    dropped = (y == 0).float().mean().item()
    assert abs(dropped - 0.3) < 0.01 and abs(y.mean().item() - 3) < 0.03
    torch.testing.assert_close(y[y != 0], torch.full_like(y[y != 0], 3 / 0.7))
    torch.testing.assert_close(x.grad, y.detach() / 3), "the gradient goes where the value went"
    rows, columns = (y == 0).float().mean(0), (y == 0).float().mean(1)
    assert rows.std() < 0.05 and columns.std() < 0.05, "numbers are drawn one by one"


@BOTH
def test_attention_drops_weights_and_keeps_the_mean(maths):
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 8, 4).expand(4000, -1, -1, -1) for _ in range(3))
    y = maths.attention(q, k, v, dropout_p=0.2)
    torch.testing.assert_close(y.mean(0), maths.attention(q, k, v)[0], atol=0.1, rtol=0)
    silent = (y[:, :, 0] == 0).all(-1).float().mean().item()  # the first query has one weight: it is dropped with p
    assert abs(silent - 0.2) < 0.03
