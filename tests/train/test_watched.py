"""Training with dashboards: what the run logs reaches them, over a kill and a resume, and none of them can stop it."""

import contextlib
import logging

import pytest

from glassformer.recipes import launch
from glassformer.runs import dashboard
from glassformer.runs.run import Run


class Noting(dashboard.Dashboard):
    shown: list = []

    def __init__(self, run):
        super().__init__(run)
        self.remember(id=1)

    def numbers(self, step, values, time):
        self.shown.append((step, values))

    def sample(self, step, prompt, text, time):
        self.shown.append((step, {"sample": text}))

    def close(self, failed):
        pass


class Breaking(Noting):
    shown: list = []

    def sample(self, step, prompt, text, time):
        raise ConnectionError("the network is down")


@pytest.fixture
def tools(monkeypatch):
    for tool in (Noting, Breaking):
        tool.name = tool.__name__.lower()
    Noting.shown.clear()
    monkeypatch.setattr(dashboard, "names", lambda: ["breaking", "noting"])
    monkeypatch.setattr(dashboard, "available", lambda chosen: None)
    monkeypatch.setattr(dashboard, "dashboard", {"breaking": Breaking, "noting": Noting}.__getitem__)


def quiet(watch):
    return {"say": lambda line: None, "watching": lambda steps, done: contextlib.nullcontext(watch)}


def test_a_run_is_shown_whole_though_it_was_killed_and_a_tool_failed(recipe, data, tmp_path, tools, caplog):
    class Killed(BaseException):
        pass

    def kill_at_5(line):
        if (line["kind"], line["step"]) == ("train", 5):
            raise Killed

    chosen = recipe.override("train.watch=noting,breaking", "train.steps=6", "train.eval_every=2", "train.sample_every=3")

    with caplog.at_level(logging.WARNING, "glassformer"), pytest.raises(Killed):
        launch.train(chosen, data, tmp_path / "run", **quiet(kill_at_5))
    assert [record.getMessage() for record in caplog.records if "network is down" in record.getMessage()][1:] == []
    assert "network is down" in caplog.text
    resumed = launch.resume(tmp_path / "run", settings=["train.watch=noting"], progress=print, **quiet(lambda line: None))
    run = Run.open(tmp_path / "run")
    assert resumed == "done" and run.recipe()["train"]["watch"] == ["noting"]
    for name, key, lines in (
        ("train/loss", "loss", run.metrics("train")), ("eval/bits_per_byte", "bpb", run.metrics("eval")),
        ("sample", "text", run.samples()),
    ):  # fmt: skip
        shown = [(step, values[name]) for step, values in Noting.shown if name in values]
        assert shown == [(line["step"], line[key]) for line in lines], name
