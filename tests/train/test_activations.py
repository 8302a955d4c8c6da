"""Activation checkpointing: the same losses and gradients, in less memory."""

import copy
import json
import subprocess
import sys

import pytest
import torch

from glassformer.kernels.cross_entropy import IGNORED
from glassformer.lab.plan import plan
from glassformer.lab.plan.hardware import named
from glassformer.lab.plan.trace import trace, traced
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.recipes.presets import mini
from glassformer.train.activations import checkpoint_activations

from .test_trainer import assert_equal_bits, run, weights

SHAPE = {"vocab_size": 37, "context_length": 16, "n_layer": 4, "n_head": 2, "n_embd": 32}


def gradients(gpt: GPT, documents: bool):
    ids = torch.randint(37, (4, 13), generator=torch.Generator().manual_seed(0))
    targets = ids[:, 1:].clone()
    targets[1, 3] = targets[2, :] = IGNORED
    packed = torch.tensor([0] * 5 + [1] * 7).expand(4, 12) if documents else None
    torch.manual_seed(0)
    nats = gpt(ids[:, :-1], targets, documents=packed)
    nats.sum().backward()
    return {"nats": nats.detach(), **{name: p.grad for name, p in gpt.named_parameters()}}


@pytest.mark.parametrize(
    "parts",
    [{"dropout": 0.2, "position": "relative"}, {"mlp": "moe", "head": "multi_token"}, {"mixer": "gated_deltanet"}],
    ids=str,
)
@pytest.mark.parametrize("documents", [False, True], ids=["rows", "documents"])
@pytest.mark.parametrize("every", [1, 2])
def test_losses_and_gradients_are_those_without_it(parts, documents, every):
    gpt = GPT(GPTConfig.parse({**SHAPE, **parts}), seed=1)
    other = checkpoint_activations(copy.deepcopy(gpt), every)
    expected, found = gradients(gpt, documents), gradients(other, documents)
    assert_equal_bits(found, expected)
    assert_equal_bits(other.state_dict(), gpt.state_dict())


def test_one_block_in_every_few_is_computed_again_and_a_copy_computes_its_own():
    calls: list[int] = []
    gpt = copy.deepcopy(checkpoint_activations(GPT(GPTConfig.parse(SHAPE), seed=1), 3))
    for i, block in enumerate(gpt.blocks):
        block.mixer.register_forward_hook(lambda *_, i=i: calls.append(i))
    gradients(gpt, documents=False)
    assert sorted(calls) == [0, 0, 1, 2, 3, 3]


def test_nothing_is_computed_again_without_gradients_or_with_a_cache():
    gpt = GPT(GPTConfig.parse(SHAPE), seed=1).eval()
    other = checkpoint_activations(copy.deepcopy(gpt), 1)
    ids = torch.randint(37, (2, 9))
    for given in (gpt, other):
        cache = given.make_cache(2, 16)
        given(ids[:, :5], cache=cache)
        given.last_logits = given(ids[:, 5:], cache=cache)
    assert torch.equal(gpt.last_logits, other.last_logits)


def test_a_training_is_the_same_run_with_it(recipe, data, tmp_path):
    short = recipe.override("train.steps=3")
    for name, every in (("without", 0), ("with", 1)):
        assert run(short.override(f"train.checkpoint_activations={every}"), data, tmp_path / name) == "done"
    assert_equal_bits(weights(tmp_path / "with"), weights(tmp_path / "without"))


DEEP = [
    "model.vocab_size=64", "model.n_layer=6", "model.n_embd=64", "model.context_length=64", "train.micro_batch_size=8",
    "train.optimizer=adamw", "model.n_head=4", "model.embed=token", "model.head=tied",
]  # fmt: skip


@pytest.mark.slow
def test_the_peak_of_a_real_step_falls_and_the_plan_knows_it():
    peaks, planned = [], []
    for every in (0, 2, 1):
        recipe = mini().override(*DEEP, f"train.checkpoint_activations={every}")
        real = trace(recipe, "fp32", computing=True)  # real tensors, each counted from its allocation to its end
        peaks.append(max(peak.live for peak in real.peaks.values()))
        fake = max(peak.live for peak in trace(recipe, "fp32").peaks.values())
        assert fake == pytest.approx(peaks[-1], rel=0.02)
        planned.append(plan(recipe, named("laptop-2core")))
        assert len(traced(recipe, "fp32")) == 2, "the plan should come from two shallow models"
    assert peaks[1] < 0.75 * peaks[0] and peaks[2] < 0.45 * peaks[0]
    assert planned[0].memory.activations > planned[1].memory.activations > planned[2].memory.activations
    assert planned[0].flops_per_token == planned[2].flops_per_token
    assert 1.1 < planned[2].seconds_per_step / planned[0].seconds_per_step < 1.4


STEP = """
import json, sys, torch
from pathlib import Path
from glassformer.recipes.build import build_model
from glassformer.recipes.presets import mini
recipe = mini().override(
    "model.n_layer=8", "model.n_embd=256", "model.n_head=4", "model.head=tied", "model.embed=token",
    f"train.checkpoint_activations={sys.argv[1]}",
)
model, ids = build_model(recipe).train(), torch.zeros(16, 257, dtype=torch.long)
(torch.randn(64, 64) @ torch.randn(64, 64)).sum()
def resident(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))
before = resident("VmRSS")
model(ids[:, :-1], ids[:, 1:]).sum().backward()
print(json.dumps(resident("VmHWM") - before))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_takes_less_memory():
    without, with_it = (
        json.loads(subprocess.run([sys.executable, "-c", STEP, every], check=True, capture_output=True).stdout)
        for every in "01"
    )
    assert with_it < 0.65 * without
