"""A training with a time limit ends on time on a machine whose speed changes, with the schedule at its end (fault 22)."""

import json

import pytest

from glassformer.data.growth import growth
from glassformer.data.pace import Pace
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.train.budget import Budget
from glassformer.train.schedule import Schedule
from glassformer.train.trainer import Trainer

from .test_trainer import Killed, assert_equal_bits, trainer, weights

EVERY = {"eval": 1 / 6, "sample": 1 / 6, "checkpoint": 1 / 6}
COST = {"eval": 1.5, "sample": 0.5, "checkpoint": 0.3}


def slow_between(first, last, factor):
    return lambda now: factor if first <= now < last else 1.0


MACHINES = {
    "steady": lambda now: 1.0,
    "three times slower from the middle on": slow_between(90, 1e9, 3.0),
    "three times faster from the middle on": slow_between(90, 1e9, 1 / 3),
    "busy for the first four seconds": slow_between(0, 4, 12.0),  # 168 steps were planned then, and took 118 of 180 s
    "idle for the first four seconds": slow_between(4, 1e9, 2.5),  # 146 s of 60 s
    "busy for a second now and then": lambda now: 6.0 if int(now) % 11 == 0 else 1.0,
}


@pytest.mark.parametrize("estimate", [40, 600, 5000])
@pytest.mark.parametrize("machine", MACHINES)
def test_fault_22_it_ends_on_time_however_fast_the_machine_becomes(machine, estimate):
    """The clock of a training of 180 s, whose first estimate of the number of steps may be far off."""
    slowness, now, step, budget, pace = MACHINES[machine], 0.0, 0, Budget(180.0), Pace.even(estimate)

    def pauses():
        nonlocal now
        for kind, seconds in COST.items():
            if pace.due(step, EVERY[kind]) or step == pace.steps:
                budget.pause_took(kind, took := seconds * slowness(now))
                now += took

    pauses()
    while step < pace.steps:
        took = 0.2 * slowness(now)
        now, step = now + took, step + 1
        budget.step_took(took)
        pauses()
        if step < pace.steps and budget.is_due(now):
            pace = pace.then(pace.ending(step, budget.steps(step, now, pace, EVERY)))
    assert 180 * 0.95 < now < 180 * 1.04, f"{machine}: {now:.1f} s, {step} steps"
    for name in ("cosine", "linear", "wsd"):
        schedule = Schedule.named(name)
        last = schedule.factor(pace.position(step - 1), pace.known(step - 1))
        assert last - schedule.after_warmup(1.0) < 0.04, f"{machine}: the last learning rate is at {last:.3f} of its peak"


def test_it_ends_on_time_when_its_batches_grow_and_each_stage_has_its_share_of_the_steps():
    """A step takes as long as its share of a batch, so an estimate from the steps so far alone would be far off."""
    budget, pace, now, step = Budget(300.0), Pace.even(800), 0.0, 0
    while step < pace.steps:
        share = growth("0.25:0.3,0.5:0.2", pace).share(step)
        now, step = now + 0.4 * share, step + 1
        budget.step_took(0.4 * share, share)
        if step < pace.steps:
            decided = budget.decision(step, now, pace, {}, growth("0.25:0.3,0.5:0.2", pace).ahead(step))
            pace = pace.then(pace.ending(step, decided)) if decided not in (0, pace.steps) else pace
    shares = [growth("0.25:0.3,0.5:0.2", pace).share(at) for at in range(step)]
    assert 300 * 0.97 < now < 300 * 1.03
    assert [shares.count(share) / step for share in (0.25, 0.5, 1)] == pytest.approx([0.3, 0.2, 0.5], abs=0.03)


def test_time_is_kept_for_what_follows_and_the_most_is_never_passed():
    budget = Budget(100.0, free=10)
    budget.pauses = {"eval": 3.0, "sample": 1.0}
    for _ in range(10):
        budget.step_took(1.0)
    still_to_come = 4 * (1 + Pace.even(500).remaining(10, EVERY["eval"]))
    assert EVERY["eval"] == EVERY["sample"] and budget.steps(10, 10.0, Pace.even(500), EVERY) == 60 - still_to_come
    capped = Budget(100.0, most=30)
    for _ in range(10):
        capped.step_took(1.0)
    assert capped.steps(10, 10.0, Pace.even(500), EVERY) == 30
    assert capped.steps(10, 99.9, Pace.even(500), EVERY) == 11  # one more step, with which the run ends


class Clock:
    """Time goes by only where a training works: two seconds for a batch, three for an evaluation."""

    def __init__(self, slowness):
        self.now, self.slowness = 0.0, slowness

    def __call__(self):
        return self.now

    def work(self, seconds):
        self.now += seconds * self.slowness(self.now)


TIMED = {
    "steps": 10, "eval_every": 1 / 3, "sample_every": 0, "checkpoint_every": 0.25, "keep_checkpoints": 50,
    "micro_batch_size": 2, "grad_accumulation": 1, "optimizer": "adamw",
}  # fmt: skip


STOPPED = 17
"""The step at which a training is killed."""


def timed(recipe, data, folder, slowness, saved=None, watch=lambda line: None):
    """A Trainer that may take 80 s by a clock of its own, in the run folder `folder`."""
    made = trainer(recipe, data, folder, saved=saved, watch=watch, **TIMED)
    clock = Clock(slowness)
    clock.now = saved.state["seconds"] if saved else 0.0
    batches, held_out, events = made.batches, made.held_out, made.run_folder.metrics("event")

    def batch(step):
        clock.work(2.0)
        return batches(step)

    def reading():
        clock.work(3.0)
        return held_out()

    again = Trainer(
        made.model, data.tokenizer, batch, reading, made.config, made.run_folder, recipe_json=made.saving.recipe_json,
        precision="fp32", watch=watch, pace=Pace.logged(made.config.steps, events), budget=Budget(80.0), clock=clock,
    )  # fmt: skip
    if saved:
        made.run_folder.log("event", saved.step, what="resume", detail=saved.folder.name)
        again.restore(saved)
    return again, clock


def plans(folder):
    return [(event["step"], event["legs"]) for event in Run.open(folder).metrics("event") if event["what"] == "plan"]


@pytest.mark.parametrize("slowness", [lambda now: 1.0, slow_between(25, 40, 3.0), slow_between(25, 1e9, 0.5)],
                         ids=["steady", "slow for a while", "fast from then on"])  # fmt: skip
def test_fault_22_a_timed_run_that_was_killed_is_the_same_run(recipe, data, tmp_path, slowness):
    whole, clock = timed(recipe, data, tmp_path / "whole", slowness)
    assert whole.train() == "done"
    assert 76 < clock.now < 84 and plans(tmp_path / "whole")
    assert Run.open(tmp_path / "whole").metrics("train")[-1]["lr"] < 0.12 * whole.config.learning_rate

    def kill(line):
        if line["kind"] == "train" and line["step"] == STOPPED:
            raise Killed

    cut, _ = timed(recipe, data, tmp_path / "cut", slowness, watch=kill)
    with pytest.raises(Killed):
        cut.train()
    before = plans(tmp_path / "cut")
    saved = checkpoint.load(tmp_path / "cut")
    assert saved.step < STOPPED
    resumed, clock = timed(recipe, data, tmp_path / "cut", slowness, saved=saved)
    assert resumed.train() == "done"
    assert_equal_bits(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    assert plans(tmp_path / "cut") == plans(tmp_path / "whole") and plans(tmp_path / "cut")[: len(before)] == before


def test_fault_22_a_resumed_run_repeats_the_decisions_that_were_logged(recipe, data, tmp_path):
    """Also on a machine that has another speed: history stays, and only later decisions are new."""

    def kill(line):
        if line["kind"] == "train" and line["step"] == 8:  # the last decision was at step 7, the last checkpoint at step 4
            raise Killed

    cut, _ = timed(recipe, data, tmp_path / "cut", slow_between(10, 1e9, 1.5), watch=kill)
    with pytest.raises(Killed):
        cut.train()
    lines = Run.open(tmp_path / "cut").metrics("train")
    last = plans(tmp_path / "cut")[-1][0]
    saved = checkpoint.load(tmp_path / "cut")
    assert saved.step < last
    resumed, clock = timed(recipe, data, tmp_path / "cut", lambda now: 0.5, saved=saved)
    assert resumed.train() == "done" and 76 < clock.now < 84
    again = Run.open(tmp_path / "cut").metrics("train")
    for before, after in zip(lines[:last], again):
        assert (before["step"], before["loss"], before["lr"]) == (after["step"], after["loss"], after["lr"])
    assert json.loads((checkpoint.load(tmp_path / "cut").folder / "state.json").read_text())["step"] == resumed.pace.steps
