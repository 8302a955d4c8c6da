"""The list of runs: every state, any width, nothing that a damaged run can do to it."""

import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from glassformer.runs import terminal
from glassformer.runs.listing import rows
from glassformer.runs.run import Run

FACTS = {"dataset": {"source": {"name": "files", "path": "books/my_book.txt"}, "fingerprint": "1", "folder": "data/x"}}
ENDS = {"finished": "done", "diverged": "nan", "interrupted": "interrupted", "stopped": None}


def make(folder, state="finished", when=1000, facts=FACTS):
    """A run of 20 steps in a state, which wrote its last line at `when`."""
    run = Run.create(folder, '{"train": {"steps": 20}}', facts)
    lines = [
        {"kind": "event", "step": 0, "what": "start"},
        {"kind": "eval", "step": 0, "loss": 7.5},
        {"kind": "eval", "step": 10, "loss": 2.25},
        {"kind": "eval", "step": 12, "loss": 3.0},
        {"kind": "train", "step": 12, "loss": 1.0},
    ]
    lines += [{"kind": "event", "step": 12, "what": ENDS[state]}] if ENDS[state] else []
    text = "".join(json.dumps({**line, "time": when}) + "\n" for line in lines)
    (run.folder / "metrics.jsonl").write_text(text)
    return run


@pytest.fixture
def runs(tmp_path):
    for i, state in enumerate(ENDS):
        make(tmp_path / "runs" / state, state, when=1000 + i)
    make(tmp_path / "runs/compare-7/baseline-1", "finished", when=999)
    Run.create(tmp_path / "runs/gpt2", "{}", {"imported": "models/gpt2"})
    (tmp_path / "runs/.hidden").mkdir()
    (tmp_path / "runs/notes").mkdir()
    return tmp_path / "runs"


def printed(root, width):
    console = Console(width=width, file=open(os.devnull, "w"), record=True)  # noqa: SIM115
    terminal.list_runs(root, console)
    return console.export_text().splitlines()


def test_every_run_has_its_row_and_the_newest_is_first(runs):
    found = rows(runs)
    assert [row.name for row in found] == [
        "gpt2",
        "stopped",
        "interrupted",
        "diverged",
        "finished",
        "compare-7/baseline-1",
    ]
    assert [row.state for row in found[:5]] == ["imported", "stopped", "interrupted", "diverged", "finished"]
    row = found[4]
    assert (row.text, row.done, row.steps, row.loss, row.when) == ("books/my_book.txt", 12, 20, 2.25, 1000)


def test_a_run_that_is_being_written_is_training(runs):
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom glassformer.system.lock import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(runs / "stopped")], stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline()
    state = {row.name: row.state for row in rows(runs)}
    process.kill()
    process.wait()
    assert state["stopped"] == "training" and state["finished"] == "finished"
    assert {row.name: row.state for row in rows(runs)}["stopped"] == "stopped"


DAMAGE = {
    "run.json": ["{}", "[]", "", "{", '{"dataset": 7}'],
    "recipe.json": ["", "[]"],
    "metrics.jsonl": ['{"kind": "eval", "step": 1, "loss": "x", "time": "y"}\n[1]\n{"kind": "event", "step": 1}\n\0'],
}


@pytest.mark.parametrize("name, content", [(name, content) for name in DAMAGE for content in DAMAGE[name]])
def test_a_damaged_run_is_named_and_the_others_are_listed(runs, name, content):
    (runs / "finished" / name).write_text(content)
    found = {row.name: row for row in rows(runs)}
    assert len(found) == 6 and found["stopped"].state == "stopped"
    if name != "metrics.jsonl":
        assert found["finished"].state == "damaged" and name in found["finished"].problem
        lines = printed(runs, 80)
        assert any(line.startswith("finished is damaged: ") and "restore it from a copy" in line for line in lines)


def test_a_folder_whose_run_json_is_gone_is_damaged(runs):
    (runs / "finished/run.json").unlink()
    assert {row.name: row.state for row in rows(runs)}["finished"] == "damaged"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_list_fits_the_terminal_and_no_name_is_cut(runs, width):
    make(runs / ("a-run-with-quite-a-long-name" if width > 40 else "short"), "interrupted", when=5)
    lines = printed(runs, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for row in rows(runs):
        assert row.name in text and row.state in text
    assert text.count("2.250") == 6 and text.count("12 of 20") == 6
    assert (lines[0].split() == list(terminal.COLUMNS)) is (width >= 80)


def test_an_empty_folder_says_what_to_do(glass):
    code, out, err = glass("runs")
    assert code == 0 and "There is no run in runs" in out and "demo" in out and not err


def test_the_list_needs_no_torch():
    code = "import sys; import glassformer.runs.terminal; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
