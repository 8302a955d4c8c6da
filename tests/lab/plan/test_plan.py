"""What is planned is what is: every number is compared with a model, an optimizer, a cache that is really built."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.multiprocessing.reductions import StorageWeakRef

from glassformer.config import variants
from glassformer.errors import SettingError
from glassformer.kernels import linear_cross_entropy
from glassformer.lab.plan import USABLE, Plan, plan, share
from glassformer.lab.plan.advice import layout_that_fits, machines_that_fit, settings_that_fit
from glassformer.lab.plan.clock import total
from glassformer.lab.plan.hardware import TABLE, named
from glassformer.lab.plan.recorder import Recorder
from glassformer.lab.plan.trace import LOST, cache_bytes, grown, peak, resident, trace, traced
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.parameters import parameters, parameters_by_part
from glassformer.recipes.presets import Recipe, gpt2, gpt3, mini, presets

from ...model.formula import flops_per_token

SMALL = [
    "model.vocab_size=64", "model.n_layer=3", "model.n_head=4", "model.n_embd=32", "model.context_length=16",
    "train.micro_batch_size=3", "train.optimizer=adamw", "model.embed=token", "model.head=tied", "train.sampler=windows",
]  # fmt: skip


def slots() -> dict[str, list[str]]:
    names = ("position", "mixer", "mlp", "norm", "residual", "head", "embed")
    return {name: variants(GPTConfig.model_fields[name].annotation) for name in names}  # type: ignore


@st.composite
def recipes(draw) -> Recipe:
    """Small recipes of any parts."""
    chosen = [f"model.{slot}={draw(st.sampled_from(names))}" for slot, names in slots().items()]
    heads = draw(st.sampled_from([1, 2, 4]))
    shape = [
        f"model.n_layer={draw(st.integers(1, 4))}", f"model.n_head={heads}",
        f"model.n_kv_head={draw(st.sampled_from([n for n in (1, 2, 4) if n <= heads]))}",
        f"model.n_embd={heads * draw(st.sampled_from([8, 16]))}", f"model.bias={draw(st.sampled_from(['true', 'false']))}",
        f"train.optimizer={draw(st.sampled_from(['adamw', 'muon']))}",
    ]  # fmt: skip
    return mini().override(*SMALL, *chosen, *shape)


def real_step(recipe: Recipe) -> tuple[GPT, int]:
    """A model after forward and backward, and the bytes that autograd kept in between beyond weights and batch."""
    model = GPT(recipe.model).train()
    rows, T = recipe.train.micro_batch_size, recipe.model.context_length
    ids = torch.zeros(rows, T, dtype=torch.long)
    mine = {StorageWeakRef(t.untyped_storage()).cdata for t in [*model.parameters(), ids]}
    kept: dict[StorageWeakRef, int] = {}  # weak, since what hangs on results nobody asks for dies before the pass ends

    def pack(tensor):
        kept[StorageWeakRef(tensor.untyped_storage())] = tensor.untyped_storage().nbytes()
        return tensor

    def through(*given, **named):  # the gradients that the loss computes in the forward pass are not saved for backward
        out = linear_cross_entropy_through(*given, **named)
        for gradient in out[1:]:
            pack(gradient)
        return out

    with pytest.MonkeyPatch.context() as patch:
        linear_cross_entropy_through = linear_cross_entropy._through
        patch.setattr(linear_cross_entropy, "_through", through)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = model(ids, targets=ids).sum()
    alive = {ref.cdata: size for ref, size in kept.items() if not ref.expired() and ref.cdata not in mine}
    loss.backward()
    return model, sum(alive.values())


@settings(max_examples=6, deadline=None)
@given(recipes())
def test_weights_gradients_optimizer_and_activations_are_those_of_a_real_step(recipe):
    seen = trace(recipe, "fp32")
    model, kept = real_step(recipe)
    assert sum(parameters_by_part(recipe.model).values()) == parameters(model)
    assert seen.weights == sum(p.nbytes for p in model.parameters())
    assert seen.gradients == sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
    optimizer = recipe.train.optimizer.build(model)
    remembered = [value for kept in optimizer.state.values() for value in kept.values()]
    assert seen.optimizer == sum(value.nbytes for value in remembered if isinstance(value, torch.Tensor))
    if recipe.model.mlp.name != "moe":  # there the tokens choose; the plan takes an even choice
        assert seen.activations == pytest.approx(kept, rel=0.05, abs=2000)


@settings(max_examples=4, deadline=None)
@given(recipes().filter(lambda recipe: recipe.model.mlp.name != "moe"))
def test_a_step_that_computes_takes_what_one_that_does_not_says(recipe):
    one, other = trace(recipe, "bf16"), trace(recipe, "bf16", computing=True)
    assert one.flops == other.flops
    assert (one.weights, one.gradients, one.optimizer) == (other.weights, other.gradients, other.optimizer)
    near = partial(pytest.approx, rel=0.01, abs=1000)  # some operators are made of others for fake tensors
    assert (one.activations, one.traffic) == (near(other.activations), near(other.traffic))
    assert one.peaks.keys() == other.peaks.keys()
    assert all(tuple(peak) == near(tuple(other.peaks[phase])) for phase, peak in one.peaks.items())


PEEKING = """
from glassformer.model.mixer import linear


class Config(linear.Config):
    def build(self, shapes, kernels=None):
        return Peeking(shapes, linear.Config(feature="relu"), kernels)


class Peeking(linear.LinearAttention):
    def forward(self, x, positions, cache=None):
        return super().forward(x / 2 if x.abs().max() > 100 else x, positions, cache)
"""


def test_a_mixer_that_looks_at_its_numbers_is_traced_where_computing_is_allowed(glass, tmp_path):
    (tmp_path / "peeking.py").write_text(PEEKING)
    words = [*SMALL[1:], f"model.mixer={tmp_path / 'peeking.py'}"]
    code, _, err = glass("mini", *words)
    assert code == 2 and "looks at the values of tensors" in err and "Traceback" not in err
    peeking = mini().override(*SMALL[:1], *words)
    relu = mini().override(*SMALL, "model.mixer=linear", "model.mixer.feature=relu")
    found, like = traced(peeking, "fp32", may_compute=True), traced(relu, "fp32")
    assert grown(found, peeking, lambda t: t.flops) == grown(like, relu, lambda t: t.flops)
    assert grown(found, peeking, lambda t: t.weights) == grown(like, relu, lambda t: t.weights)


@settings(max_examples=10, deadline=None)
@given(recipes())
def test_the_cache_is_as_large_as_a_real_one(recipe):
    model = GPT(recipe.model).eval()
    cache = model.make_cache(1, recipe.model.context_length)
    with torch.no_grad():
        model(torch.zeros(1, recipe.model.context_length, dtype=torch.long), cache=cache)
    assert cache_bytes(recipe, recipe.model.n_layer) == cache.nbytes


@pytest.mark.parametrize(("optimizer", "mixers"), [("adamw", ""), ("muon", "sliding,sliding,full")])
def test_a_deep_model_follows_from_two_shallow_ones(optimizer, mixers):
    recipe = mini().override(*SMALL, "model.n_layer=8", f"train.optimizer={optimizer}", f'model.mixers="{mixers}"')
    whole, parts = trace(recipe, "bf16"), traced(recipe, "bf16")
    assert len(parts) == 2
    for name in ("weights", "gradients", "optimizer", "activations", "flops", "traffic"):
        assert grown(parts, recipe, lambda t, name=name: getattr(t, name)) == getattr(whole, name)
    assert peak(parts, recipe) == pytest.approx(max(p.live for p in whole.peaks.values()), rel=0.002)
    small, mapped = (max(getattr(p, kind) for p in whole.peaks.values()) for kind in ("small", "mapped"))
    assert resident(parts, recipe) == pytest.approx(small + mapped + LOST * whole.traffic, rel=0.002)


@pytest.mark.parametrize("preset", ["gpt2", "gpt2_5"])
def test_flops_are_the_formulas(preset):
    recipe = presets()[preset]().override("tokenizer.vocab_size=5000")
    with torch.device("meta"):
        model = GPT(recipe.override("model.vocab_size=5000").model)
    found = plan(recipe, named("a100-80"))
    assert found.flops_per_token == pytest.approx(flops_per_token(model, recipe.model.context_length), rel=1e-9)


def test_known_sizes():
    assert plan(gpt2(), named("a100-40")).n_parameters == 124_439_808
    big = plan(gpt3(), named("h100"))
    assert big.n_parameters == pytest.approx(174.6e9, rel=1e-3)
    assert not big.fits and big.memory.optimizer == 8 * big.n_parameters
    assert big.flops_per_token == pytest.approx(6 * 174.6e9, rel=0.05)


def test_planning_allocates_nothing():
    code = (
        "from glassformer.system.machine import peak_memory\nfrom glassformer.lab.plan import plan\n"
        "from glassformer.lab.plan.hardware import named\nfrom glassformer.recipes.presets import mini, gpt3\n"
        "plan(mini(), named('h100'))\nbefore = peak_memory()\nplan(gpt3(), named('h100'))\nprint(peak_memory() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60e6  # bytes; one of its weights alone has 600 MB


def test_checkpoints_in_the_background_take_a_copy_of_weights_and_optimizer():
    for hardware, on_device in (("laptop-8core", 1), ("h100", 0)):
        one, two = (plan(mini().override(f"train.async_checkpoint={on}"), named(hardware)) for on in ("false", "true"))
        assert (one.memory.copy, two.memory.copy) == (0, two.memory.weights + two.memory.optimizer)
        assert two.memory.peak - one.memory.peak == on_device * two.memory.copy


def test_ranks_share_the_batch():
    recipe = gpt2()
    one, eight = plan(recipe, named("a100-80")), plan(recipe, named("a100-80"), 8)
    assert share(recipe, 8).train.batch_size * 8 == recipe.train.batch_size
    assert one.seconds / 8 < eight.seconds < one.seconds / 6
    assert eight.sharded < eight.memory.peak and one.sharded == one.memory.peak
    assert eight.flops == one.flops
    with pytest.raises(SettingError, match="--ranks=7"):
        plan(recipe, named("a100-80"), 7)


def test_a_layout_divides_what_a_device_stores():
    recipe = gpt2().override(
        "model.n_layer=4", "tokenizer.vocab_size=3000", "parallel.tensor=2", "parallel.pipeline=2", "parallel.shard=true"
    )  # fmt: skip
    found = plan(recipe, named("a100-80"), 8)
    each, whole = found.divided, found.memory
    assert each.layout.sizes == {"pipeline": 2, "shard": 2, "tensor": 2}
    assert whole.weights / 8 < each.weights < whole.weights / 4 and each.gradients == each.weights
    assert each.peak < found.sharded < whole.peak and set(each.traffic.bytes) == {"data", "pipeline", "tensor"}
    assert each.bubble == 1 / share(found.recipe, 2).train.grad_accumulation
    with pytest.raises(SettingError, match=r"parallel\.tensor=5 does not divide model\.n_head=12"):
        plan(recipe.override("parallel.tensor=5", "parallel.pipeline=1"), named("a100-80"), 5)


def test_a_layout_that_fits_is_named():
    small = replace(named("t4"), memory=3e9)
    found = plan(gpt2().override("model.n_layer=4"), small, 8)
    assert not found.fits
    words = layout_that_fits(found)
    assert words.startswith("parallel.shard=true parallel.tensor=")
    assert plan(found.recipe.override(*words.split()), small, 8).fits
    assert layout_that_fits(replace(found, hardware=replace(small, memory=1e8))) == ""


def test_advice_keeps_the_batch_and_fits():
    recipe = gpt2().override("model.n_layer=2", "tokenizer.vocab_size=3000", "train.grad_accumulation=1")
    found = plan(recipe, replace(named("rtx3090"), memory=1.5e9))
    assert not found.fits
    advice = settings_that_fit(found)
    assert advice and advice[0][0].startswith("train.micro_batch_size")
    for words, bytes_then in advice:
        again: Plan = plan(recipe.override(*words.split()), found.hardware)
        assert again.fits and again.memory.peak == bytes_then <= USABLE * found.hardware.memory
        if "context" not in words:
            assert again.data.tokens_seen == found.data.tokens_seen
    assert machines_that_fit(found)


def test_a_faster_machine_is_never_slower():
    operators = sum(trace(mini().override(*SMALL), "bf16").operators.values(), Counter())
    for row in TABLE:
        faster = replace(row, **{name: 2 * getattr(row, name) for name in ("fp32", "narrow", "bandwidth", "new_pages")})
        assert 0.45 < total(operators, faster) / total(operators, row) <= 1


def test_an_uneven_choice_of_experts_is_planned_even():
    dense, sparse = (
        plan(mini().override("model.embed=token", *mlp), named("h100"))
        for mlp in (["model.mlp=swiglu"], ["model.mlp=moe", "model.mlp.n_expert=8"])
    )
    assert sparse.n_parameters > 2 * dense.n_parameters
    assert sparse.flops_per_token < 1.1 * dense.flops_per_token


@pytest.fixture
def glass(glass):
    """The same with `plan` before the words."""
    return partial(glass, "plan")


def test_the_verb_prints_and_writes_json(glass):
    code, out, _ = glass("gpt2_medium", "--hardware", "t4")
    assert code == 0 and "354,823,168" in out and "does not fit" in out and "train.micro_batch_size=" in out
    code, out, _ = glass("gpt2_5", "train.steps=7", "--hardware", "H100", "--json")
    tree = json.loads(out)
    assert code == 0 and tree["recipe"]["train"]["steps"] == 7 and tree["fits"] and tree["advice"] == []
    assert tree["n_parameters"] == sum(tree["parameters"].values())


def test_this_machine_is_measured(glass):
    code, out, _ = glass("mini", "--json")
    tree = json.loads(out)
    assert code == 0 and tree["hardware"]["measured"] and 1e8 < tree["hardware"]["bandwidth"] < 1e14
    assert tree["hardware"]["fp32"] > 1e8


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["gpt9"], "gpt"), (["mini", "--hardware", "h1000"], "h100"), (["mini", "train.stepps=1"], "steps"),
        (["mini", "--hardware", "t4", "--ranks", "7"], "--ranks"), (["mini", "model.n_head=7"], "n_head"),
    ],
)  # fmt: skip
def test_bad_words_are_one_sentence(glass, words, expected):
    code, _, err = glass(*words)
    assert code == 2 and expected in err and "Traceback" not in err and err.count("\n") <= 2


def test_a_first_word_with_an_equals_sign_is_a_setting_of_mini(glass):
    code, out, _ = glass("model.n_layer=2", "--hardware", "h100", "--json")
    assert code == 0 and json.loads(out)["recipe"]["model"]["n_layer"] == 2


def test_averaged_weights_are_counted_once_more():
    one = mini().override(*SMALL)
    without, averaging = (trace(each, "fp32") for each in (one, one.override("train.ema=0.99")))
    assert averaging.optimizer - without.optimizer == without.weights == averaging.weights


def test_smaller_batches_first_read_fewer_tokens():
    whole = mini().override(*SMALL, "train.steps=10", "train.micro_batch_size=2", "train.grad_accumulation=2")
    grown = plan(whole.override("train.batches=0.25:0.4,0.5:0.2"), named("rtx4090"))
    assert grown.data.tokens_seen == (4 * 1 + 2 * 2 + 4 * 4) * 16 and grown.tokens_per_step == 38
    assert grown.seconds < plan(whole, named("rtx4090")).seconds


def test_a_loss_in_pieces_is_counted_as_if_all_were_gone_through(monkeypatch):
    recipe = gpt2().override("model.n_layer=1", "tokenizer.vocab_size=30001", "model.context_length=520")
    recipe = recipe.override("model.vocab_size=30001", "train.micro_batch_size=3", "train.grad_accumulation=1")
    short = trace(recipe, "bf16")
    monkeypatch.setattr(Recorder, "pieces", staticmethod(linear_cross_entropy.pieces))
    whole = trace(recipe, "bf16")
    assert (short.operators, short.peaks, short.traffic) == (whole.operators, whole.peaks, whole.traffic)
