"""`replace`: a formula of one's own reaches every formula that is composed of it, and nothing else."""

import copy
import pickle
from dataclasses import fields
from functools import partial
from importlib import import_module
from inspect import Parameter, signature

import pytest
import torch
from torch import Tensor

from glassformer import kernels
from glassformer.kernels import Kernels, replace
from glassformer.kernels import attention as attention_file
from glassformer.model.gpt import GPT, GPTConfig

NAMESPACES = pytest.mark.parametrize(
    "maths", [kernels.plain(), kernels.fused(), kernels.flexible()], ids=["plain", "fused", "flexible"]
)
ATTENTIONS = {"attention": (), "sliding_window": (4,), "block_sparse": (2, 1, 1), "strided": (2, 3)}
EVERY_ATTENTION = pytest.mark.parametrize("name", ATTENTIONS)
NAMES = [f.name for f in fields(Kernels)]


def uniform(x: Tensor, dim: int = -1) -> Tensor:
    """A wrong softmax: every key that may be seen counts alike."""
    seen = (x > -torch.inf).to(x.dtype)
    return seen / seen.sum(dim, keepdim=True)


def attend(maths: Kernels, name: str, **more) -> Tensor:
    q, k, v = torch.randn(3, 2, 2, 200, 8, generator=torch.Generator().manual_seed(0)).unbind()
    return getattr(maths, name)(q, k, v, *ATTENTIONS[name], **more)


def changed(maths: Kernels, **formulas) -> set[str]:
    """The formulas that `replace` changes beside those named."""
    other = replace(maths, **formulas)
    return {name for name in NAMES if getattr(other, name) is not getattr(maths, name)} - formulas.keys()


@NAMESPACES
@EVERY_ATTENTION
def test_another_softmax_reaches_all_attention(maths, name):
    calls = []

    def counted(x: Tensor, dim: int = -1) -> Tensor:
        calls.append(x.shape)
        return maths.softmax(x, dim)

    torch.testing.assert_close(attend(replace(maths, softmax=counted), name), attend(maths, name))
    assert calls == [(2, 2, 200, 200)]
    wrong = attend(replace(maths, softmax=uniform), name)
    assert (wrong - attend(maths, name)).abs().max() > 0.1
    assert torch.equal(wrong, attend(replace(kernels.plain(), softmax=uniform), name))


@NAMESPACES
@pytest.mark.parametrize("mixer", ["full", "sliding", "block_sparse", "strided"])
def test_a_model_thinks_with_the_softmax_that_it_is_given(maths, mixer):
    config, ids = GPTConfig(vocab_size=11, n_layer=1, n_embd=8, n_head=2, mixer=mixer), torch.arange(10)[None]
    ours, wrong = (GPT(config, k, seed=1).eval() for k in (maths, replace(maths, softmax=uniform)))
    difference = (wrong(ids) - ours(ids)).abs().amax((0, 2))
    assert difference[0] == 0 and difference[1:].min() > 0, "only the first token has nothing to choose"
    assert torch.equal(copy.deepcopy(wrong)(ids), wrong(ids))


@NAMESPACES
@EVERY_ATTENTION
def test_another_dropout_reaches_all_attention(maths, name):
    asked = []
    attend(replace(maths, dropout=lambda x, p: asked.append(p) or x), name, dropout_p=0.25)
    assert asked == [0.25]


@NAMESPACES
def test_all_that_is_composed_is_rebuilt_and_nothing_else(maths):
    def mine(*args, **more):
        raise AssertionError

    assert changed(maths, softmax=mine) == {*ATTENTIONS, "route"}
    assert changed(maths, attention=mine) == ATTENTIONS.keys() - {"attention"}
    assert changed(maths, sigmoid=mine) == {"silu", "swiglu", "short_convolution"}
    assert changed(maths, silu=mine) == {"swiglu", "short_convolution"}
    assert changed(maths, gelu=mine) == {"geglu"}
    assert changed(maths, relu=mine) == {"relu2", "elu_plus_one"}
    assert changed(maths, linear=mine, cross_entropy=mine, rope=mine) == {"linear_cross_entropy"}
    assert changed(maths, softcap=mine) == {"linear_cross_entropy"}


def test_a_step_in_between_is_rebuilt_too():
    """sigmoid is in silu, and silu in the gated unit and in the short convolution."""
    x = torch.randn(2, 5, 3)
    for maths in (kernels.plain(), kernels.fused()):
        hard = replace(maths, sigmoid=lambda x: (x > 0).to(x.dtype))
        torch.testing.assert_close(hard.swiglu(x, x), x.relu() * x)
        torch.testing.assert_close(hard.short_convolution(x, torch.ones(3, 1, 1)), x.relu())


@NAMESPACES
def test_a_formula_that_is_named_is_not_rebuilt(maths):
    def mine(q, k, v, visible=None, bias=None, dropout_p=0.0):
        return torch.zeros_like(q)

    for other in (
        replace(maths, softmax=uniform, attention=mine),
        replace(replace(maths, softmax=uniform), attention=mine),
        replace(replace(maths, attention=mine), softmax=uniform),
    ):
        assert other.attention is mine and other.softmax is uniform
        assert (attend(other, "strided") == 0).all(), "the others are composed of mine"


@NAMESPACES
def test_replacing_twice_keeps_both(maths):
    asked = []
    other = replace(replace(maths, softmax=uniform), dropout=lambda x, p: asked.append(p) or x)
    wrong = attend(replace(maths, softmax=uniform), "sliding_window")
    assert torch.equal(attend(other, "sliding_window", dropout_p=0.5), wrong) and asked == [0.5]


@NAMESPACES
def test_replacing_nothing_changes_nothing(maths):
    assert replace(maths) == maths
    assert replace(maths, softmax=maths.softmax, silu=maths.silu) == maths
    assert not any(isinstance(getattr(maths, name), partial) for name in NAMES)


def test_what_is_no_formula_is_refused_with_the_name_that_was_meant():
    with pytest.raises(TypeError, match="no formula named 'sofmax'; did you mean 'softmax'"):
        replace(kernels.plain(), sofmax=uniform)


@NAMESPACES
def test_a_namespace_travels(maths):
    """Models are deep-copied, and processes are handed their kernels."""
    other = replace(maths, softmax=uniform)
    for twin in (copy.deepcopy(other), pickle.loads(pickle.dumps(other))):
        assert torch.equal(attend(twin, "block_sparse"), attend(other, "block_sparse"))


@EVERY_ATTENTION
def test_what_was_rebuilt_compiles_whole(name):
    other = replace(kernels.fused(), softmax=uniform)
    torch._dynamo.reset()
    compiled = torch.compile(getattr(other, name), backend="eager", fullgraph=True)
    q, k, v = torch.randn(3, 2, 2, 20, 8).unbind()
    torch.testing.assert_close(compiled(q, k, v, *ATTENTIONS[name]), getattr(other, name)(q, k, v, *ATTENTIONS[name]))


def test_formulas_take_their_parts_as_keywords():
    """A keyword-only parameter with the name of a formula is that formula, plain by default."""
    composed = set()
    for name in NAMES:
        for p in signature(import_module(f"glassformer.kernels.{name}").plain).parameters.values():
            if p.kind == Parameter.KEYWORD_ONLY and p.name in NAMES:
                assert p.default is getattr(kernels.plain(), p.name), f"{name}: {p.name}"
                composed.add(name)
    assert composed == {*ATTENTIONS, "route", "silu", "swiglu", "short_convolution", "geglu", "relu2", "elu_plus_one",
                        "linear_cross_entropy", "pointer_nats"}  # fmt: skip


def test_the_pattern_of_attention_is_what_it_reads_with():
    q, k, v = torch.randn(2, 4, 5, 8), torch.randn(2, 2, 7, 8), torch.randn(2, 2, 7, 8)
    bias = torch.randn(4, 5, 7)
    pattern = attention_file.pattern(q, k, bias=bias)
    assert pattern.shape == (2, 4, 5, 7)
    torch.testing.assert_close(pattern.sum(-1), torch.ones(2, 4, 5))
    assert (pattern.tril(2) == pattern).all(), "causal, with the last query at the last key"
    torch.testing.assert_close(
        pattern @ v.repeat_interleave(2, 1), kernels.fused().attention(q, k, v, bias=bias), atol=1e-5, rtol=1e-5
    )
    even = attention_file.pattern(q, k, softmax=uniform)
    torch.testing.assert_close(even[0, 0, 0, :4], torch.tensor([1 / 3, 1 / 3, 1 / 3, 0.0]))


def test_a_partial_of_ones_own_is_left_as_it_is():
    from functools import partial

    from glassformer.kernels import attention, plain, replace

    def sharper(x, dim=-1):
        return softmax_of_two(x, dim)

    def softmax_of_two(x, dim):
        return (2 * x).softmax(dim)

    mine = partial(attention.plain, softmax=sharper)
    assert replace(replace(plain(), attention=mine), dropout=lambda x, p: x).attention is mine
