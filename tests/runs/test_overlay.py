"""Several runs on one page: the numbers are those of the logs, wherever a curve lies, and what differs is said."""

import json
import math
import re
from pathlib import Path

import pytest

from glassformer.errors import GlassError, SettingError
from glassformer.runs.overlay import HEADER, MOST, overlay, place, write_page
from glassformer.runs.run import Run

from ..page import Page

MACHINE = {"cpu": "A CPU", "cores": 2}


def trained(folder, every=10, steps=40, batch=100, speed=2.0, machine=MACHINE, tokenizer="t", source="s", **recipe):
    """A run of `steps` steps, each with `batch` tokens and 1 / `speed` seconds."""
    facts = {"parameters": 1_234_567, "machine": machine, "dataset": {"source": source, "tokenizer": tokenizer}}
    run = Run.create(folder, json.dumps({"train": {"steps": steps, **recipe}}), facts)
    for step in range(0, steps + 1, every):
        run.log("eval", step, loss=4.0 - step / 100, bpb=2.0 - step / 100)
        if step:
            run.log(
                "train", step, loss=3.5 - step / 100, lr=1e-3, grad_norm=1.0, tokens=step * batch, seconds=step / speed,
                tokens_per_s=batch * speed, memory_gb=0.25,
            )  # fmt: skip
    return run


@pytest.fixture
def two(tmp_path):
    runs = tmp_path / "runs"
    return [
        trained(runs / "a", optimizer={"name": "muon"}),
        trained(runs / "b", batch=200, optimizer={"name": "adamw"}),
    ]


def lines(found, axis: str, title: str) -> dict:
    (drawn,) = [chart for chart in found.charts[axis] if chart["title"] == title]
    return {line["name"]: list(zip(line["steps"], map(float, line["values"]))) for line in drawn["lines"]}


def test_the_numbers_are_those_of_the_logs(two):
    two[0].log("eval", 41, loss=math.nan, bpb=3.0)
    found = overlay([run.folder for run in two])
    first = dict(zip(HEADER, found.numbers[0], strict=True))
    told = {"run": "a", "lowest held-out loss": "3.6000", "bits per byte": "1.6000", "training loss": "3.1000",
            "tokens": "4k", "time": "20 s", "tokens/s": "200", "parameters": "1.235M", "memory": "0.25 GB"}  # fmt: skip
    assert {key: first[key] for key in told} == told
    assert found.settings == [("train.optimizer", "muon", "adamw")] and found.facts == found.notes == []


def test_the_same_values_lie_at_the_step_the_tokens_and_the_time(two):
    found = overlay([run.folder for run in two])
    assert list(found.charts) == ["step", "tokens", "seconds"]
    for axis, of_a, of_b in (("step", 1, 1), ("tokens", 100, 200), ("seconds", 0.5, 0.5)):
        for title, loss, first in (("Held-out loss", 4.0, 0), ("Training loss", 3.5, 10)):
            drawn = lines(found, axis, title)
            for name, scale in (("a", of_a), ("b", of_b)):
                expected = [(step * scale, pytest.approx(loss - step / 100)) for step in range(first, 41, 10)]
                assert drawn[name] == expected


def test_an_evaluation_between_two_lines_lies_between_them_and_one_behind_the_last_nowhere(tmp_path):
    run = trained(tmp_path / "a")
    for step in (25, 99):
        run.log("eval", step, loss=1.0, bpb=1.0)
    run.log("eval", 5, loss=2.0, bpb=1.0)
    found = overlay([run.folder])
    step, tokens, seconds = (lines(found, axis, "Held-out loss")["a"] for axis in ("step", "tokens", "seconds"))
    assert (2500, 1.0) in tokens and (2.5, 2.0) in seconds and (99, 1.0) in step
    assert [x for x, _ in tokens] == [0, 500, 1000, 2000, 2500, 3000, 4000]


@pytest.mark.parametrize(
    ("speed", "unit", "last"), [(2.0, "seconds", 20), (0.1, "minutes", 6.6667), (0.001, "hours", 11.1111)]
)
def test_time_has_a_unit_of_its_size(tmp_path, speed, unit, last):
    found = overlay([trained(tmp_path / "a", speed=speed).folder])
    assert lines(found, unit, "Training loss")["a"][-1][0] == last


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"machine": {"cpu": "Another"}}, "different machines"), ({"tokenizer": "u"}, "different tokenizers"),
        ({"tokenizer": "u", "source": "x"}, "different texts"), ({}, ""),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_said(tmp_path, other, told):
    found = overlay([trained(tmp_path / "a").folder, trained(tmp_path / "b", **other).folder])
    assert len(found.notes) == bool(told) and told in "".join(found.notes)
    assert bool(found.facts) == ("machine" in other) and not found.settings


def test_a_run_that_has_just_begun_is_there_and_a_folder_twice_is_one_run(two, tmp_path):
    empty = Run.create(tmp_path / "runs" / "new", json.dumps({"train": {"steps": 9}}), {})
    found = overlay([two[0].folder, empty.folder, two[0].folder])
    assert found.names == ["a", "new"] and found.numbers[1][3:] == ("–",) * 8
    assert list(lines(found, "step", "Training loss")) == ["a"]
    assert overlay([empty.folder]).charts == {"step": [], "tokens": [], "seconds": []}


def test_runs_of_one_name_are_told_apart(tmp_path):
    found = overlay([trained(tmp_path / where / "demo").folder for where in ("mine", "theirs")])
    assert found.names == ["mine/demo", "theirs/demo"]


def test_what_is_no_run_and_too_many_are_refused(tmp_path, two):
    with pytest.raises(GlassError, match=r"run\.json"):
        overlay([two[0].folder, tmp_path])
    many = [trained(tmp_path / "many" / str(n), every=20).folder for n in range(MOST + 1)]
    with pytest.raises(SettingError, match="at most 12"):
        overlay(many)
    styles = overlay(many[:-1]).styles
    assert len(set(styles)) == MOST and styles[6] == "v0 again"


def test_the_page_holds_all_of_it_and_needs_no_other_file(two, tmp_path):
    hostile = Run.create(tmp_path / "runs" / "<img src=x>", json.dumps({"train": {"steps": "<script>"}}), {})
    found = overlay([run.folder for run in [*two, hostile]])
    html = write_page(found, tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(html)
    assert page.links == ["data:,"] and "img" not in page.tags and html.count("<figure") == 18
    for told in ("3.6000", "adamw", "different texts", "Horizontal axis"):
        assert told in page.text, told
    assert len(re.findall(r'<input type="radio"[^>]*checked', html)) == 1
    assert write_page(found, tmp_path / "page.html").read_text(encoding="utf-8") == html


def test_the_command_writes_the_page_before_it_prints(glass, monkeypatch, tmp_path):
    for name, more in (("a", {}), ("b", {"mlp": "swiglu"})):
        trained(tmp_path / "runs" / name, **more)
    code, out, _ = glass("report", "runs/a", "runs/b")
    assert code == 0 and (tmp_path / "runs/report.html").exists() and "train.mlp" in out and "3.6000" in out
    assert glass("report", "runs/a", "--to", "one.html")[0] == 0
    assert "report.html" not in [path.name for path in (tmp_path / "runs/a").iterdir()] and (tmp_path / "one.html").exists()
    monkeypatch.setenv("COLUMNS", "40")
    code, narrow, _ = glass("report", "runs/a", "runs/b", "--to", "both.html")
    assert code == 0 and (tmp_path / "both.html").exists() and all(len(line) <= 40 for line in narrow.splitlines())
    assert "3.6000" in narrow and "swiglu" in narrow
    monkeypatch.setattr(
        "glassformer.runs.terminal.show_overlay", lambda *told: (_ for _ in ()).throw(BrokenPipeError())
    )
    assert glass("report", "runs/a", "runs/b", "--to", "again.html")[0] == 141 and (tmp_path / "again.html").exists()


def test_the_page_lies_beside_the_runs():
    assert place([Path("runs/a"), Path("runs/b")]) == Path("runs/report.html")
    assert place([Path("runs/a"), Path("more/b")]) == Path("report.html")
