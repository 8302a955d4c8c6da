"""A run that one, two and four processes train in turn, and what they say when something is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What processes.py has seen."""
    out = tmp_path_factory.mktemp("processes") / "out.json"
    script = Path(__file__).parent / "processes.py"
    ended = subprocess.run([sys.executable, script, out], capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(out.read_text())


def test_one_two_four_and_one_process_train_the_same_run(found):
    """Alone, with copies, in two groups of shards, in two stages, alone: the same tokens in the same order."""
    (chain,) = found["alone_last"]
    assert chain["steps"] == list(range(1, 9)) and chain["resumed"] == ["00000002", "00000004", "00000006", "00000007"]
    assert chain["tokens"][0] == chain["tokens"][1] and chain["tokens"][0][-1] > 1000
    assert chain["loss"] < 1e-12 and chain["norm"] < 1e-12 and chain["held_out"] < 1e-12
    assert chain["weights"] < 1e-12  # with the averages and the state of the optimizer
    assert chain["samples"][0] == chain["samples"][1] and len(chain["samples"][0]) == 3
    assert chain["snapshots"][0] == chain["snapshots"][1]


def test_all_stop_when_one_is_asked_to(found):
    assert [one["outcome"] for one in found["two"]] == ["interrupted"] * 2
    assert found["four"] == ["interrupted"] * 4


def test_a_model_that_is_divided_before_it_has_weights_gets_those_of_one_process(found):
    assert [one["drawn"] for one in found["two"]] == [[], []]


def test_what_one_process_finds_out_all_are_told(found):
    assert [one["told"] for one in found["two"]] == [[0, "ä"]] * 2
    assert [one["told again"] for one in found["two"]] == ["again"] * 2  # another attempt at the same meeting point


def test_settings_that_differ_are_one_sentence_of_one_process(found):
    kinds = {one["differ"][0]: one["differ"][1] for one in found["two"]}
    assert kinds["SettingError"].startswith("process 1 has train.steps=8 and process 0 has 7; start all processes")
    assert kinds.keys() == {"SettingError", "SystemExit"}  # the other ends without a word


def test_a_process_that_does_not_come_is_named(found):
    kind, sentence, seconds = found["alone_first"][0]["absent"]
    assert kind == "LostProcess" and sentence.startswith("process 1 of 2 has not arrived") and seconds < 30
    kind, sentence, seconds = found["alone_first"][0]["unreachable"]
    assert kind == "LostProcess" and "cannot reach the meeting point 127.0.0.1:" in sentence and seconds < 30


def test_a_process_that_dies_ends_the_others_with_a_sentence(found):
    (kind, sentence, _seconds), dead = found["dying"]
    assert dead is None and kind == "LostProcess" and "another process of this training has ended" in sentence
    assert "--max-restarts" in sentence and "`resume`" in sentence


def test_what_would_change_the_training_is_refused_by_name(found):
    moe, memory, rows = found["two"][0]["refused"]
    assert "model.mlp=moe has an auxiliary loss" in moe and "train.grad_accumulation to a multiple of 2" in moe
    assert memory.startswith("train.memory_gb divides the batch of one process")
    assert rows.startswith("a batch of 1 rows cannot be divided over 2 processes")
