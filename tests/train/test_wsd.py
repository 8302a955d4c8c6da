"""Warmup-stable-decay: its shapes, the checkpoint before the decay, and what `extend` makes of it."""

import math

import pytest

from glassformer.data.pace import Leg, Pace
from glassformer.errors import GlassError, SettingError
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.train.schedule import Schedule

from .test_lowest import kept, lengthen, rates
from .test_trainer import Killed, assert_equal_bits, resume, run, weights


def wsd(**settings):
    return Schedule.named("wsd", **settings)


@pytest.mark.parametrize(
    ("shape", "left"),
    [("linear", lambda x: 1 - x), ("sqrt", lambda x: 1 - x**0.5), ("cosine", lambda x: math.cos(math.pi * x / 2) ** 2)],
)
def test_the_rate_stays_at_its_peak_and_then_falls_in_its_shape(shape, left):
    schedule = wsd(shape=shape, decay=0.25, warmup_steps=20, min_lr_ratio=0.1)
    assert schedule.decays_from(100) == 80
    for step in range(101):
        expected = (step + 1) / 21 if step < 20 else 1 if step <= 80 else 0.1 + 0.9 * left((step - 80) / 20)
        assert schedule.factor(step, 100) == pytest.approx(expected), step


def test_until_the_decay_the_length_of_the_run_changes_nothing():
    schedule = wsd(warmup_steps=10)
    short, long = ([schedule.factor(step, steps) for step in range(82)] for steps in (100, 5000))
    assert short == long and schedule.factor(83, 100) < 1


def test_a_timed_run_decays_in_the_last_fifth_of_its_progress_however_its_length_was_decided():
    schedule, pace = wsd(warmup_steps=0), Pace.even(50)
    pace = pace.then(pace.ending(20, 400))  # 40 % of the run, and then 380 steps for the rest
    factors = [schedule.factor(pace.position(step), pace.known(step)) for step in range(400)]
    first = next(step for step, factor in enumerate(factors) if factor < 1)
    assert pace.progress(first - 1) <= 0.8 + 1e-9 < pace.progress(first) and factors[-1] < 0.01
    jumps = [before - after for before, after in zip(factors, factors[1:])]
    assert max(jumps) < 0.1  # the first of sqrt is the largest: its slope is infinite there


@pytest.fixture
def stable(recipe):
    return recipe.override(
        "train.steps=10", "train.eval_every=10", "train.sample_every=0", "train.checkpoint_every=10",
        "train.keep_checkpoints=1", "train.optimizer=adamw", "train.grad_accumulation=1", "model.context_length=16",
        "train.schedule=wsd", "train.schedule.warmup_steps=2", "train.schedule.decay=0.5",
    )  # fmt: skip


def killing(step):
    def kill(line):
        if line["kind"] == "train" and line["step"] == step:
            raise Killed

    return kill


def test_a_run_is_extended_from_before_its_decay_as_if_it_had_been_that_long(stable, data, tmp_path):
    assert run(stable, data, tmp_path / "run") == "done" and kept(tmp_path / "run") == [6, 10]
    short = weights(tmp_path / "run")
    outcome, said = lengthen(tmp_path / "run", steps=18)
    assert outcome == "done" and "goes on from step 6 to 18: from before its decay" in said
    assert run(stable.override("train.steps=18"), data, tmp_path / "whole") == "done"
    assert_equal_bits(weights(tmp_path / "run"), weights(tmp_path / "whole"))
    assert kept(tmp_path / "run") == [10, 18]
    found, peak = rates(tmp_path / "run"), stable.train.learning_rate
    assert [round(found[step] / peak, 6) for step in (3, 6, 7, 11)] == [1, 1, 1, 1] and found[18] < 0.1 * peak

    finished = tmp_path / "run" / "finished" / "00000010"
    old = checkpoint.load(finished)
    assert_equal_bits({**old.model().state_dict(), **old.optimizer_tensors()}, short)
    assert checkpoint.run_of(finished) == (tmp_path / "run", finished)
    with pytest.raises(GlassError, match="no training goes on from it"):
        resume(finished)
    with pytest.raises(SettingError, match="has made 18 steps already"):
        lengthen(tmp_path / "run", steps=14)


@pytest.mark.slow
def test_an_extension_that_is_killed_resumes_to_the_same_bits(stable, data, tmp_path):
    for name in ("whole", "cut"):
        assert run(stable, data, tmp_path / name) == "done"
    assert lengthen(tmp_path / "whole", steps=14)[0] == "done"
    with pytest.raises(Killed):
        lengthen(tmp_path / "cut", steps=14, watch=killing(8))
    assert resume(tmp_path / "cut") == "done"
    assert_equal_bits(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    before = [checkpoint.before_decay(tmp_path / name) for name in ("cut", "whole")]
    assert [path.name for path in before if path] == ["00000008", "00000008"]


@pytest.mark.slow
def test_one_that_was_stopped_in_its_decay_goes_back_and_one_before_goes_on(stable, data, tmp_path):
    with pytest.raises(Killed):
        run(stable.override("train.checkpoint_every=2"), data, tmp_path / "late", killing(9))
    assert "goes on from step 6 to 20: from before its decay" in lengthen(tmp_path / "late", steps=20)[1]
    with pytest.raises(Killed):
        run(stable.override("train.checkpoint_every=2"), data, tmp_path / "early", killing(5))
    assert "from step 4 to 20: the learning rate goes on from where it is" in lengthen(tmp_path / "early", steps=20)[1]


def test_a_little_longer_is_all_decay_and_never_a_jump(stable, data, tmp_path):
    assert run(stable, data, tmp_path / "run") == "done"
    lengthen(tmp_path / "run", steps=11)
    plan = [event for event in Run.open(tmp_path / "run").metrics("event") if event["what"] == "plan"][-1]
    assert Leg(*plan["legs"][0]) == Leg(6, 6.0, 11, 11.0, 11)
    found = list(rates(tmp_path / "run").values())
    assert found[6] == pytest.approx(stable.train.learning_rate) and found[6:] == sorted(found[6:], reverse=True)
