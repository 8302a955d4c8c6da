"""A trace is the forward pass itself: equal outputs, every value by name, and nothing left behind in the model."""

import time

import pytest
import torch

from glassformer.errors import LensError
from glassformer.kernels import flexible, fused, plain, replace
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.lab.contracts.model.combinations import config, label, lively, model, pairs
from glassformer.lens import patterns
from glassformer.lens.attribution import attribute
from glassformer.lens.learning import gradients
from glassformer.lens.seam import Seam, Visitor
from glassformer.lens.sweep import sweep
from glassformer.lens.trace import next_tokens, trace
from glassformer.model.gpt import GPT

from .variants import USUAL, every_variant, some_ids

COMBINATIONS = [*every_variant(), *pairs()[::24]]
CHANNELS = "mamba"


def inside(gpt):
    """Everything in a model that a seam could have left something in."""
    return [
        (
            path,
            {k: id(v) for k, v in vars(m).items() if not k.startswith("_")},
            len(m._forward_hooks),
            len(m._forward_pre_hooks),
        )
        for path, m in gpt.named_modules()
    ]


@pytest.mark.parametrize("kernels", [fused, plain])
@pytest.mark.parametrize("combination", COMBINATIONS, ids=label)
def test_the_traced_model_computes_the_same_bit_for_bit(combination, kernels):
    gpt, ids = model(combination, kernels()), some_ids()
    before = inside(gpt)
    with torch.no_grad():
        expected = gpt(ids)
    seen = trace(gpt, ids)
    assert torch.equal(seen.logits, expected) and torch.equal(seen["logits"], expected)
    assert inside(gpt) == before


@pytest.mark.parametrize("combination", COMBINATIONS, ids=label)
def test_the_names_of_the_field_are_there(combination):
    gpt = model(combination)
    seen, n = trace(gpt, some_ids()), gpt.config.n_layer
    with torch.no_grad():
        x = gpt.hidden(some_ids())
    assert torch.equal(seen["final_norm"], x)
    for i in range(n):
        for end in ("resid_pre", "mixer.out", "mlp.out", "resid_post"):
            assert seen[f"blocks.{i}.{end}"].shape == x.shape
        assert (f"blocks.{i}.resid_mid" in seen) == (combination["residual"] != "parallel")
        before = seen[f"blocks.{i - 1}.resid_post"] if i else seen["blocks.0.resid_pre"]
        assert torch.equal(seen[f"blocks.{i}.resid_pre"], before)
    if combination["mlp"] != "moe":
        act = seen["blocks.0.mlp.act"]
        assert torch.equal(seen.call("blocks.0.mlp.act").result, act) and act.shape == seen["blocks.0.mlp.pre"].shape
    if combination["residual"] in ("pre", "sandwich") and combination["norm"] != "none":
        assert torch.equal(seen["blocks.0.mlp_norm"], gpt.blocks[0].mlp_norm(seen["blocks.0.resid_mid"]))


@pytest.mark.parametrize("combination", COMBINATIONS, ids=label)
def test_the_pattern_times_the_values_is_what_the_heads_gave_out(combination):
    gpt = lively(combination)
    seen = trace(gpt, some_ids())
    for layer in range(gpt.config.n_layer):
        found, z = seen.pattern(layer), seen[f"blocks.{layer}.mixer.z"]
        z = z.transpose(1, 2)[..., None] if combination["mixer"] == CHANNELS else z
        assert (found.output - z).abs().max() <= 1e-5
        assert torch.equal(seen[f"blocks.{layer}.mixer.pattern"], found.weights)
        assert not found.weights.triu(1).any(), "a token reads no later one"
        if found.is_softmax:
            assert (
                torch.allclose(found.weights.sum(-1), torch.ones(()).double(), atol=1e-9) and found.weights.min() >= 0
            )


def test_the_pattern_of_the_trained_model_too(village_mini):
    gpt, tokenizer = village_mini
    seen = trace(gpt, tokenizer.encode("One day Mia lost her red kite near the old mill."))
    for layer in range(4):
        assert (seen.pattern(layer).output - seen[f"blocks.{layer}.mixer.z"]).abs().max() <= 1e-5


def test_a_mixer_without_weights_says_so_by_name():
    gpt = model({**USUAL, "mixer": str(__file__).replace("lens/test_trace.py", "model/mean_mixer.py")})
    seen = trace(gpt, some_ids())
    with pytest.raises(LensError, match=r"blocks\.0\.mixer \(RunningMean\) has no attention pattern"):
        seen.pattern(0)
    assert all(isinstance(found, LensError) for found in seen.patterns().values())


def test_a_formula_of_ones_own_is_refused_rather_than_drawn_wrong():
    def mine(q, k, v, visible=None, bias=None, dropout_p=0.0):
        return 2 * fused().attention(q, k, v, visible, bias, dropout_p)

    gpt = lively(USUAL, replace(fused(), attention=mine))
    with pytest.raises(LensError, match="one of your own"):
        trace(gpt, some_ids()).pattern(0)


def test_a_softmax_of_ones_own_is_the_one_that_is_drawn():
    gpt = lively(USUAL, replace(fused(), softmax=lambda x, dim=-1: plain().softmax(2 * x, dim)))
    seen = trace(gpt, some_ids())
    assert torch.allclose(seen.pattern(0).output, seen["blocks.0.mixer.z"])


@pytest.mark.parametrize("mixer", ["full", "sliding", "block_sparse", "strided", "linear", "gated_deltanet", "mamba"])
def test_packed_documents_do_not_read_each_other(mixer):
    gpt = lively({**USUAL, "mixer": mixer})
    documents = torch.tensor([[0] * 6 + [1] * 10, [0] * 3 + [4] * 13])
    seen = trace(gpt, some_ids(), documents=documents)
    other = documents[:, :, None] != documents[:, None]
    weights = seen.pattern(0).weights
    assert not weights[other[:, None].expand_as(weights)].any()


def test_only_what_is_asked_for_is_kept():
    gpt = model(USUAL)
    whole, few = trace(gpt, some_ids()), trace(gpt, some_ids(), keep=["*.resid_post", "blocks.1.mixer.pattern"])
    assert few.names() == [
        "blocks.0.resid_post",
        "blocks.1.resid_post",
        "blocks.1.mixer.scores",
        "blocks.1.mixer.pattern",
    ]
    assert torch.equal(few["blocks.1.mixer.pattern"], whole["blocks.1.mixer.pattern"])
    assert 0 < few.bytes < whole.bytes / 3
    with pytest.raises(LensError, match="trace it with keep="):
        few.pattern(0)
    with pytest.raises(LensError, match="would hold more than"):
        trace(gpt, some_ids(), limit=10_000)
    assert not any(m._forward_hooks for m in gpt.modules())


def test_bytes_counts_every_storage_once():
    gpt = model(USUAL)
    seen = trace(gpt, some_ids())
    weights = {p.untyped_storage().data_ptr() for p in gpt.parameters()}
    held = {}
    for call in seen.calls:
        for value in [*seen.values.values(), *call.results, *call.operands.values()]:
            if isinstance(value, torch.Tensor) and value.untyped_storage().data_ptr() not in weights:
                held[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
    assert seen.bytes == sum(held.values())


def test_what_is_not_there_is_named_with_what_is():
    seen = trace(model(USUAL), some_ids())
    with pytest.raises(LensError, match=r"holds no 'blocks.7.resid_post'; it holds blocks.0.resid_post"):
        seen["blocks.7.resid_post"]
    with pytest.raises(LensError, match="no layer 2"):
        seen.pattern(2)


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([0] * 17, "17 tokens and the model reads 16"),
        ([23], "knows 0 to 22"),
        ([-1], "knows 0 to 22"),
        ([], "at least one"),
    ],
)
def test_ids_that_cannot_be_read_are_refused(ids, words):
    with pytest.raises(LensError, match=words):
        trace(model(USUAL), torch.tensor(ids, dtype=torch.long))


def test_targets_give_nats_and_gradients():
    gpt = lively({**USUAL, "norm": "layernorm"})
    ids = some_ids()
    targets = next_tokens(ids)
    seen = trace(gpt, ids, targets, gradients=True)
    assert targets[:, -1].eq(IGNORED).all() and torch.equal(targets[:, :-1], ids[:, 1:])
    assert torch.allclose(seen.nats, gpt(ids, targets))
    slopes = seen.gradients("*.resid_post", "blocks.0.mixer.z")
    # The oracle: a finite difference, through a visitor that moves one number.
    name, place, step = "blocks.0.mixer.z", (1, 2, 3, 1), 1e-5

    class Nudge(Visitor):
        def visit(self, its, value):
            if its == name:
                value = value.clone()
                value[place] += step
            return value

    def loss():
        with torch.no_grad():
            return gpt(ids, targets).sum() / (targets != IGNORED).sum()

    before = loss()
    with Seam(gpt, Nudge()):
        after = loss()
    assert float(slopes[name][place]) == pytest.approx(float(after - before) / step, rel=1e-3, abs=1e-9)
    with pytest.raises(LensError, match="gradients=True"):
        trace(gpt, ids, targets).gradients()


def test_a_trace_leaves_the_mode_of_each_module():
    gpt = GPT(config(USUAL, dropout=0.5)).train()
    gpt.blocks[0].eval()
    seen = trace(gpt, some_ids())
    assert gpt.training and gpt.blocks[1].training and not gpt.blocks[0].mixer.training
    assert torch.equal(seen.logits, trace(gpt, some_ids()).logits), "no dropout"
    attribute(seen, some_ids())
    gradients(gpt, some_ids(), some_ids())
    sweep(gpt, some_ids(1), trace(gpt, some_ids(1)), lambda logits: logits[:, -1, 0])
    assert gpt.training and gpt.blocks[1].training and not gpt.blocks[0].mixer.training


def test_an_exception_in_the_model_leaves_nothing_behind():
    gpt = model(USUAL)
    before = inside(gpt)

    class Stop(Visitor):
        def called(self, call):
            if call.module == "blocks.1.mixer":
                raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"), Seam(gpt, Stop()):
        gpt(some_ids())
    assert inside(gpt) == before


def test_names_do_not_drift_when_a_model_is_called_often():
    gpt, names = model({**USUAL, "mixer": "gated_deltanet"}, logit_softcap=30.0), []

    class Names(Visitor):
        def visit(self, name, value):
            names.append(name)
            return value

    with torch.no_grad(), Seam(gpt, Names()):
        for call in (gpt, gpt.last, gpt.last):
            names.append("|")
            call(some_ids())
    first, second, third = (each.split() for each in " ".join(names).split("|")[1:])
    assert second == third and first == [*second, "logits"]


def test_entropy_and_distances():
    one, two = torch.eye(4), torch.ones(4, 4).tril() / torch.arange(1, 5)[:, None]
    assert torch.equal(patterns.entropy(one), torch.zeros(4)) and torch.equal(patterns.distances(one), torch.eye(4)[0])
    assert torch.allclose(patterns.entropy(two), torch.arange(1, 5).log())
    assert patterns.mean_distance(one) == 0 and float(patterns.mean_distance(two)) == pytest.approx(
        (0 + 0.5 + 1 + 1.5) / 4
    )
    back = torch.zeros(4, 4)
    back[1:, :3] = torch.eye(3)
    back[0, 0] = 1
    assert torch.allclose(patterns.distances(back), torch.tensor([0.25, 1, 0, 0]))


@pytest.mark.slow
def test_a_trace_takes_less_than_three_times_a_plain_pass(village_mini):
    gpt, _ = village_mini
    for length in (64, 512):
        ids = torch.randint(2048, (1, length))

        def once(function, ids=ids):
            start = time.perf_counter()
            function(ids)
            return time.perf_counter() - start

        with torch.no_grad():
            plainly, traced = (min(once(f) for _ in range(30)) for f in (gpt, lambda ids: trace(gpt, ids)))
        assert traced < 3 * plainly, (length, traced, plainly)


def test_weights_that_would_fill_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(patterns, "MOST", 10_000)
    seen = trace(model({**USUAL, "mixer": "mamba"}), some_ids())
    with pytest.raises(LensError, match=r"32 matrices of 16 x 16 numbers .* read 12 tokens or fewer"):
        seen.pattern(0)


def test_a_model_of_different_mixers_has_a_pattern_in_each_layer():
    gpt = model(USUAL, mixers="sliding,linear", mixer="sliding")
    seen = trace(gpt, some_ids())
    found = seen.patterns()
    assert [found[layer].formula for layer in (0, 1)] == ["sliding_window", "linear_attention"]
    assert [found[layer].is_softmax for layer in (0, 1)] == [True, False]


def test_the_pattern_of_a_head_that_copies_has_a_name():
    seen = trace(lively({**USUAL, "head": "pointer"}), some_ids())
    pattern = seen["head.pattern"]
    assert pattern.shape == (2, 16, 16) and torch.allclose(pattern.sum(-1), torch.ones(2, 16).double())
    assert torch.equal(seen.call("head.mixture").operands["pattern"], pattern)


def test_flexible_kernels_are_traced_and_opened():
    combination = {**USUAL, "mixer": "sliding"}
    gpt, ids = lively(combination, flexible()), some_ids()
    assert torch.allclose(trace(gpt, ids).pattern(0).weights, trace(lively(combination), ids).pattern(0).weights)
