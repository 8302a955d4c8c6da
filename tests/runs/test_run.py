import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.errors import GlassError
from glassformer.runs.run import Run
from glassformer.system.machine import machine_facts


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", '{"steps": 3}', {"command": "glass demo", "machine": machine_facts()})


def test_what_is_logged_is_read_back(run):
    run.log("train", 2, loss=1.5, lr=np.float32(0.5), tokens=np.int64(7))
    run.log("train", 1, loss=float("nan"), grad_norm=math.inf)
    run.sample(2, "", "NaN", 3.5)
    again = Run.open(run.folder)
    first, second = again.metrics("train")
    assert (first["step"], first["grad_norm"]) == (1, math.inf) and math.isnan(first["loss"])
    assert (second["loss"], second["lr"], second["tokens"]) == (1.5, 0.5, 7)
    assert [(s["step"], s["prompt"], s["text"], s["seconds"]) for s in again.samples()] == [(2, "", "NaN", 3.5)]
    assert again.recipe() == {"steps": 3} and again.facts()["command"] == "glass demo" and again.name == "run"


@given(st.text(st.characters(), max_size=50))
def test_any_text_survives_as_one_strict_json_line(tmp_path_factory, text):
    run = Run.create(tmp_path_factory.mktemp("run"), "{}", {})
    run.sample(0, text, text, 0.0)
    (line,) = (run.folder / "samples.jsonl").read_bytes().splitlines()
    json.loads(line, parse_constant=pytest.fail)
    assert [(s["prompt"], s["text"]) for s in run.samples()] == [(text, text)]


def test_a_later_line_replaces_an_earlier_one_of_the_same_step_and_who(run):
    run.log("train", 1, loss=5.0)
    run.log("train", 1, loss=4.0)
    run.log("score", 1, who="model", bpb=1.0)
    run.log("score", 1, who="5-gram", bpb=2.0)
    assert [line["loss"] for line in run.metrics("train")] == [4.0]
    assert [line["bpb"] for line in run.metrics("score")] == [1.0, 2.0]


def test_a_resume_takes_back_what_came_after_its_step_and_events_stay(run):
    for step in (1, 2, 3):
        run.log("train", step, loss=float(step))
        run.sample(step, "p", "before", 0.0)
    run.log("event", 3, what="interrupted", detail="")
    run.log("event", 1, what="resume", detail="")
    assert [line["step"] for line in run.metrics("train")] == [1]
    run.log("train", 4, loss=4.0)
    assert [line["step"] for line in run.metrics("train")] == [1, 4]
    assert [line["what"] for line in run.metrics("event")] == ["interrupted", "resume"]


def test_samples_written_before_a_resume_from_an_earlier_step_are_taken_back(run):
    lines = [{"step": 1, "time": 1}, {"step": 3, "time": 3}, {"step": 2, "time": 5}]
    (run.folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run.folder / "metrics.jsonl").write_text('{"kind": "event", "step": 1, "what": "resume", "time": 4}\n')
    assert [line["step"] for line in run.samples()] == [1, 2]


def test_every_torn_tail_costs_at_most_its_own_line(run):
    run.log("train", 1, loss=1.0)
    run.log("train", 2, loss=2.0)
    log = run.folder / "metrics.jsonl"
    whole = log.read_bytes()
    for end in range(whole.index(b"\n") + 1, len(whole)):
        for tail in (b"", b"\0" * 9, b"\xc3"):
            log.write_bytes(whole[:end] + tail)
            steps = [line["step"] for line in run.metrics("train")]
            assert steps in ([1], [1, 2])
            run.log("train", 3, loss=3.0)
            assert [line["step"] for line in run.metrics("train")] == [*steps, 3]


def test_lines_that_are_not_ours_are_skipped(run):
    (run.folder / "metrics.jsonl").write_text(
        '[1]\n"x"\n{"kind": "train"}\n{"kind": "train", "step": "1"}\n' + "[" * 10**5
    )
    assert run.metrics("train") == [] and run.samples() == []


def test_a_run_is_never_begun_twice_and_never_opened_where_there_is_none(run, tmp_path):
    with pytest.raises(GlassError, match="glass resume"):
        Run.create(run.folder, "{}", {})
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(GlassError, match="runs/demo"):
            Run.open(folder)
    (run.folder / "run.json").write_text('{"a"')
    with pytest.raises(GlassError, match=r"run\.json cannot be read"):
        Run.open(run.folder).facts()


def test_machine_facts_are_plausible():
    facts = machine_facts()
    assert facts["cpu"] and facts["cores"] >= 1 and facts["memory_gb"] > 0.1 and facts["os"]
    assert json.loads(json.dumps(facts)) == facts


def test_reading_a_run_needs_no_torch():
    code = "import sys, glassformer.runs.run, glassformer.system.machine; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"
