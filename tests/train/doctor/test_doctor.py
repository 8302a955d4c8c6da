"""The run doctor names bugs in real trainings, says nothing of healthy ones, and can go back after a spike."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from glassformer.recipes.build import dataset
from glassformer.runs import checkpoint
from glassformer.runs.report import write_report
from glassformer.runs.run import Run
from glassformer.train.terminal import Display

from ...page import Page
from ..test_trainer import Killed, resume, run, weights

BENCH = Path(__file__).parents[3] / "bench"


def cases():
    """bench/doctor_cases.py as a module."""
    if "doctor_cases" not in sys.modules:
        spec = importlib.util.spec_from_file_location("doctor_cases", BENCH / "doctor_cases.py")
        assert spec is not None and spec.loader is not None
        sys.modules["doctor_cases"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["doctor_cases"]


BUGS = cases().bugs()
FAST = {"not causal", "learning rate too high", "padding counted"}
"""The others are slow tests; `bench/doctor.py bugs` makes the table of all."""


@pytest.fixture(scope="session")
def where(tmp_path_factory):
    """A folder for the dataset of the small recipe."""
    return tmp_path_factory.mktemp("village")


@pytest.fixture(scope="session")
def village(where):
    """The dataset of the small recipe."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        return dataset(cases().small_recipe(), lambda *told: None)


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[] if c.finding in FAST else pytest.mark.slow, id=c.name) for c in BUGS]
)
def test_it_names_the_bug_first(case, village, tmp_path):
    assert case.run(village, tmp_path / "run")[:1] == [case.finding]


def test_it_says_nothing_of_the_same_training_without_a_bug(village, tmp_path):
    assert cases().Case("healthy", "").run(village, tmp_path / "run") == []


@pytest.mark.slow
@pytest.mark.parametrize("name", cases().HEALTHY)
def test_it_says_nothing_of_healthy_recipes(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cases().healthy(name, 1, tmp_path / "run") == []


def test_a_finding_is_told_once_in_the_terminal_the_log_and_the_report(village, tmp_path, capsys):
    from rich.console import Console

    case = next(c for c in BUGS if c.finding == "targets not shifted")
    case.run(village, tmp_path / "run", ("train.steps=4",))
    (event,) = [e for e in Run.open(tmp_path / "run").metrics("event") if e["what"] == "doctor"]
    assert event["step"] == 0 and "ids[1:]" in event["detail"]
    Display(Console(width=200), 10)(event)
    assert "targets not shifted" in capsys.readouterr().out
    page = Page(write_report(tmp_path / "run").read_text(encoding="utf-8"))
    assert "Targets not shifted (the doctor at step 0)" in page.text


def test_a_doctor_that_fails_says_so_and_the_training_goes_on(village, tmp_path):
    def stumble(trainer):
        trainer.doctor.reading.see = lambda *given: 1 / 0

    assert cases().Case("", "", ("train.steps=4",), trainer=stumble).run(village, tmp_path / "run") == ["stopped"]
    assert checkpoint.load(tmp_path / "run").step == 4


def test_it_looks_at_nothing_when_it_is_off(village, tmp_path, monkeypatch):
    case = next(c for c in BUGS if c.finding == "targets not shifted")
    monkeypatch.setattr(case, "settings", ("train.doctor=off", "train.steps=4"))
    assert case.run(village, tmp_path / "run") == []


def test_watching_changes_nothing_that_is_learned(village, tmp_path):
    for name in ("off", "watch"):
        cases().Case("", "", (f"train.doctor={name}", "train.steps=12")).run(village, tmp_path / name)
    off, watched = (weights(tmp_path / name) for name in ("off", "watch"))
    assert all(torch.equal(off[name], watched[name]) for name in off)


ROLLBACK = ("train.doctor=rollback", "train.checkpoint_every=20", "train.steps=27", "train.log_every=1")
BAD = 22


def spoiled(monkeypatch):
    """Targets of batch BAD are far from everything that the model has learned."""
    from glassformer.data.sampler.windows import Windows as Config

    build = Config.build

    def bad(self, *given):
        batches = build(self, *given)

        def of(step, *ranks):
            batch = batches(step, *ranks)
            return batch.having(targets=torch.full_like(batch.targets, 7)) if step == BAD else batch

        return of

    monkeypatch.setattr(Config, "build", bad)


def test_it_goes_back_after_a_spike_leaves_the_batch_out_and_a_killed_run_does_the_same(
    village, where, tmp_path, monkeypatch
):
    spoiled(monkeypatch)
    monkeypatch.chdir(where)
    recipe = cases().small_recipe().override(*ROLLBACK)
    run(recipe, village, tmp_path / "whole")
    events = Run.open(tmp_path / "whole").metrics("event")
    assert [(e["step"], e["batch"]) for e in events if e["what"] == "rollback"] == [(BAD + 1, BAD)]
    assert max(line["loss"] for line in Run.open(tmp_path / "whole").metrics("train")[-5:]) < 6
    seen = []

    def kill(line):
        seen.append(line["step"]) if line["kind"] == "train" else None
        if line["kind"] == "train" and line["step"] == 25:
            raise Killed

    with pytest.raises(Killed):
        run(recipe, village, tmp_path / "killed", kill)
    assert seen.count(21) == 2, "steps 21 and 22 are trained again"
    assert resume(tmp_path / "killed") == "done"
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
