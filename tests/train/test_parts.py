"""Schedules, precision, evaluation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassformer.config import variants
from glassformer.data.batches import Batch
from glassformer.kernels import cross_entropy
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.train.evaluate import byte_lengths, evaluate
from glassformer.train.precision import LossScale, Precision, choose
from glassformer.train.schedule import Schedule

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", variants(Schedule))
@given(steps=st.integers(1, 3000), warmup=st.none() | st.integers(0, 3500))
def test_every_schedule_rises_then_never_rises(name, steps, warmup):
    schedule = Schedule.named(name, warmup_steps=warmup)
    factors = np.array([schedule.factor(step, steps) for step in range(steps)])
    assert (factors >= 0).all() and (factors <= 1).all()
    peak = schedule.warmup(steps)
    assert (np.diff(factors[:peak]) > 0).all()
    assert (np.diff(factors[peak:]) <= 1e-12).all()
    assert factors[peak] == 1


@pytest.mark.parametrize("name", variants(Schedule))
@given(steps=st.integers(0, 300), warmup=st.none() | st.integers(0, 400), beyond=st.integers(0, 1000))
def test_past_the_end_of_a_run_every_schedule_stays_at_its_last_value(name, steps, warmup, beyond):
    schedule = Schedule.named(name, warmup_steps=warmup)
    last = schedule.factor(steps, steps)
    assert schedule.factor(steps + beyond, steps) == last
    assert 0 <= last <= min(schedule.factor(step, steps) for step in range(schedule.warmup(steps), steps + 1)) <= 1


@pytest.mark.parametrize(("name", "last"), [("cosine", 0.1), ("linear", 0.0), ("constant", 1.0), ("wsd", 0.0)])
def test_a_schedule_ends_where_it_says_however_few_steps_there_are(name, last):
    schedule = Schedule.named(name, warmup_steps=7)
    for step, steps in ((35, 21), (21, 21), (1, 1), (9, 1), (0, 0), (5, 0)):
        assert schedule.factor(step, steps) == pytest.approx(last)
    assert schedule.factor(0, 1) == 1


@pytest.mark.parametrize(
    ("asked", "steps", "got"),
    [(50, 100, 50), (99, 100, 99), (0, 100, 0), (None, 300, 30), (None, 5000, 100), (2000, 60, 6), (100, 100, 10)],
)
def test_a_warmup_is_as_long_as_asked_unless_the_run_is_not(asked, steps, got):
    assert Schedule.named("cosine", warmup_steps=asked).warmup(steps) == got


def test_cosine_ends_at_its_final_factor():
    assert Schedule.named("cosine", warmup_steps=0, min_lr_ratio=0.1).factor(1000, 1000) == pytest.approx(0.1)
    assert Schedule.named("cosine", warmup_steps=0, min_lr_ratio=0.1).factor(500, 1000) == pytest.approx(0.55)


def test_bits_per_byte_of_a_uniform_model_is_known():
    """With all logits equal, every token costs ln V nats."""
    model = GPT(GPTConfig(vocab_size=32, n_layer=1, n_embd=8, n_head=2))
    torch.nn.init.zeros_(model.embed.weight)
    ids = torch.arange(24).reshape(2, 12) % 32
    targets = ids.clone()
    targets[0, :5] = cross_entropy.IGNORED
    result = evaluate(model, [Batch(ids, targets)] * 2, byte_lengths([b"abc"] * 31 + [b""]), Precision("fp32", CPU))
    n_bytes = 2 * 3 * int(((targets != cross_entropy.IGNORED) & (targets != 31)).sum())
    assert result["tokens"] == 38 and result["bytes"] == n_bytes
    assert result["loss"] == pytest.approx(math.log(32), rel=1e-6)
    assert result["bpb"] == pytest.approx(38 * 5 / n_bytes, rel=1e-6)


def test_evaluation_leaves_training_mode_as_it_was():
    model = GPT(GPTConfig(vocab_size=32, n_layer=1, n_embd=8, n_head=2, dropout=0.5)).train()
    ids = torch.zeros(1, 4, dtype=torch.long)
    first, second = (
        evaluate(model, [Batch(ids, ids)], torch.ones(32, dtype=torch.long), Precision("fp32", CPU)) for _ in range(2)
    )
    assert model.training and first == second  # no dropout inside


def test_the_loss_scale_halves_on_overflow_and_doubles_after_2000_good_steps():
    scale = LossScale(8.0, can_grow=True)
    scale.update(finite=False)
    assert scale.value == 4
    for _ in range(2000):
        scale.update(finite=True)
    assert scale.value == 8
    fixed = LossScale(1.0, can_grow=False)
    fixed.update(finite=False)
    assert fixed.value == 1


def test_auto_precision_takes_what_was_faster_and_says_so():
    waits = {"fp32": 0.02, "bf16": 0.0}
    name, why = choose("auto", CPU, lambda precision: __import__("time").sleep(waits[precision.name]))
    assert name == "bf16" and "measured" in why and "fp32 takes" in why
    assert choose("fp32", CPU, lambda precision: None) == ("fp32", "set by train.precision")
