"""Dashboards show what the logs of a run hold: once, in order, from the first step on, whoever fails meanwhile."""

import json
import logging
import math
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from glassformer.errors import GlassError, MissingPackage, SettingError
from glassformer.recipes.presets import mini
from glassformer.runs import dashboard
from glassformer.runs.dashboard import Dashboard, Watch, names, values
from glassformer.runs.run import Run
from glassformer.runs.tail import Tail
from glassformer.system.lock import locked

RECIPE = json.dumps({"model": {"n_layer": 2, "mixer": {"name": "full"}}, "train": {"steps": 9, "watch": ["wandb"]}})


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "runs" / "a run", RECIPE, {"parameters": 7})


def trained(run: Run, first: int, last: int) -> None:
    """What a training logs in these steps."""
    for step in range(first, last + 1):
        run.log("train", step, loss=9.0 - step, lr=1e-3, grad_norm=math.inf, tokens_per_s=5.0, memory_gb=None)
        if step % 2 == 0:
            run.log("eval", step, split="validation", loss=9.5 - step, bpb=3.0, tokens=99)
            run.sample(step, "Once", f"Once {step}", 1.0)


class Noting(Dashboard):
    """Notes what it is handed. `shown` is what a person would see, over all openings."""

    shown: list = []
    remembers, forgets = False, False

    def __init__(self, run):
        super().__init__(run)
        if self.remembers:
            self.remember(id=1)

    def numbers(self, step, values, time):
        assert time > 1e9
        self.shown.append((step, values))

    def sample(self, step, prompt, text, time):
        self.shown.append((step, {"sample": text}))

    def forget(self, step):
        if self.forgets:
            self.shown[:] = [each for each in self.shown if each[0] <= step]
        return self.forgets

    def close(self, failed):
        self.shown.append("failed" if failed else "closed")


class Breaking(Noting):
    def numbers(self, step, values, time):
        if step == 3:
            raise OSError("the network is down\nand more")


@pytest.fixture
def tools(monkeypatch):
    """Tools of a test in place of the real ones."""
    made = {}
    for tool in (Noting, Breaking):
        made[tool.__name__.lower()] = type(tool.__name__, (tool,), {"shown": []})
        made[tool.__name__.lower()].name = tool.__name__.lower()
    monkeypatch.setattr(dashboard, "dashboard", made.__getitem__)
    return SimpleNamespace(**made)


def steps(shown: list, name: str) -> list[int]:
    return [step for step, found in shown if name in found]


def test_a_tool_sees_every_line_once_under_its_names(run, tools):
    trained(run, 1, 3)
    with Watch(run, ["noting"]) as watch:
        trained(run, 4, 6)
        watch()
        watch()
        run.log("event", 6, what="checkpoint")
        run.log("score", 6, who="model", bpb=0.5, note=True)
        watch()
    *shown, end = tools.noting.shown
    assert end == "closed" and not watch.lost
    assert steps(shown, "train/loss") == [1, 2, 3, 4, 5, 6] and steps(shown, "sample") == steps(shown, "eval/loss") == [
        2,
        4,
        6,
    ]
    assert shown[0][1] == {"train/loss": 8.0, "lr": 1e-3, "grad_norm": math.inf, "tokens_per_s": 5.0}
    assert (2, {"eval/loss": 7.5, "eval/bits_per_byte": 3.0}) in shown and (
        6,
        {"score/model/bits_per_byte": 0.5},
    ) in shown


def test_a_score_that_comes_after_the_training_is_shown_later(run, tools):
    trained(run, 1, 2)
    run.log("score", 2, who="5-gram", bpb=0.5)
    with Watch(run, ["noting"]):
        pass
    assert (2, {"score/5-gram/bits_per_byte": 0.5}) in tools.noting.shown


@pytest.mark.parametrize("forgets", [False, True])
def test_steps_that_a_resume_repeats_are_shown_once(run, tools, forgets):
    """Whether the process that repeats them is the one that is watched, or began after it."""
    tools.noting.forgets, tools.noting.remembers = forgets, not forgets
    with Watch(run, ["noting"]) as watch:
        trained(run, 1, 5)
        watch()
        run.log("event", 2, what="resume")
        trained(run, 3, 6)
        watch()
    run.log("event", 4, what="resume")
    if forgets:  # such a tool begins anew
        tools.noting.shown.clear()
    with Watch(run, ["noting"]) as watch:
        trained(run, 5, 7)
        watch()
    shown = [each for each in tools.noting.shown if each != "closed"]
    assert steps(shown, "train/loss") == list(range(1, 8)) and steps(shown, "sample") == [2, 4, 6]


def test_after_a_kill_nothing_is_missing(run, tools, monkeypatch):
    """W&B, killed with us, had not written what it had been handed a moment before."""
    monkeypatch.setattr(dashboard, "RARELY", -1.0)
    tools.noting.remembers = True
    killed = Watch(run, ["noting"])
    killed.__enter__()
    for first in (1, 4):
        trained(run, first, first + 2)
        killed()
    written = [each for each in tools.noting.shown if each[0] <= 3]
    tools.noting.shown[:] = written  # the last ones were in its memory only
    with Watch(run, ["noting"]):
        pass
    assert steps(tools.noting.shown[:-1], "train/loss") == [1, 2, 3, 4, 5, 6]


def test_a_tool_that_fails_says_so_once_and_disturbs_nobody(run, tools, caplog):
    with caplog.at_level(logging.WARNING, "glassformer"), Watch(run, ["breaking", "noting", "absent"]) as watch:
        for step in range(1, 6):
            trained(run, step, step)
            watch()
    assert steps(tools.noting.shown[:-1], "train/loss") == [1, 2, 3, 4, 5]
    assert watch.lost == {"breaking": "OSError: the network is down", "absent": "KeyError: 'absent'"}
    (said,) = [record.getMessage() for record in caplog.records if "breaking" in record.getMessage()]
    assert "the network is down" in said and "watch" in said and "\n" not in said


def test_a_training_that_broke_is_closed_as_failed(run, tools):
    for error, end in ((ValueError, "failed"), (KeyboardInterrupt, "closed")):
        with pytest.raises(error), Watch(run, ["noting"]):
            raise error
        assert tools.noting.shown[-1] == end


def test_a_line_that_is_being_written_comes_later_and_a_torn_one_never(run):
    tail, path = Tail(run), run.folder / "metrics.jsonl"
    assert tail.new() == []
    path.write_text('{"kind": "train", "step": 1, "loss": "NaN"}\n{"kind": "tra', encoding="utf-8")
    (line,) = tail.new()
    assert line["step"] == 1 and math.isnan(line["loss"]) and tail.new() == []
    with open(path, "a", encoding="utf-8") as file:
        file.write('in", "step": 2}\n{"kind": "tr\n[3]\n{"kind": "train", "step": 4}\n')
    assert [line["step"] for line in tail.new()] == [2, 4]


def test_names_are_read_as_one_writes_them():
    assert mini().train.watch == ()
    for typed, read in (("tensorboard", ("tensorboard",)), ("wandb, tensorboard,wandb", ("wandb", "tensorboard")), ("", ()),
                        ('["trackio", "wandb"]', ("trackio", "wandb"))):  # fmt: skip
        recipe = mini().override(f"train.watch={typed}")
        assert recipe.train.watch == read and type(recipe).from_json(recipe.to_json()) == recipe
    with pytest.raises(SettingError, match="did you mean 'tensorboard'"):
        mini().override("train.watch=tensorbord")


def test_what_is_not_installed_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in names():
        with pytest.raises(MissingPackage, match=f"install {name}|install .* {name}$") as error:
            dashboard.available([name])
        assert error.value.extra == name


def test_a_run_in_training_is_shown_until_it_ends_unless_it_shows_itself(run, tools, monkeypatch):
    monkeypatch.setattr(dashboard, "check", lambda chosen: None)
    monkeypatch.setattr(dashboard, "available", lambda chosen: None)
    monkeypatch.setattr(dashboard, "PAUSE", 0.02)
    ready, end = threading.Event(), threading.Event()

    def training():
        with locked(run.folder):
            ready.set()
            trained(run, 1, 2)
            end.wait(10)
            trained(run, 3, 4)

    process = threading.Thread(target=training)
    process.start()
    ready.wait(10)
    with pytest.raises(SettingError, match="train.watch=wandb"):
        dashboard.show([run], "wandb")
    threading.Timer(0.2, end.set).start()
    dashboard.show([run], "noting")
    process.join()
    assert steps(tools.noting.shown[:-1], "train/loss") == [1, 2, 3, 4]
    with pytest.raises(GlassError, match="not everything"):
        dashboard.show([run], "breaking")


# ------------------------------------------------------------------------------------------------------ the real tools


def test_tensorboard_reads_what_the_logs_say(run):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained(run, 1, 5)
    with Watch(run, ["tensorboard"]) as watch:
        run.log("event", 2, what="resume")
        trained(run, 3, 6)
        watch()
    for _ in range(2):
        with Watch(run, ["tensorboard"]) as watch:
            pass
        assert not watch.lost and len(list(run.folder.glob("events.out.tfevents.*"))) == 1
        read = EventAccumulator(str(run.folder))
        read.Reload()
        loss = read.Scalars("train/loss")
        assert [(e.step, e.value) for e in loss] == [(row["step"], row["loss"]) for row in run.metrics("train")]
        assert [e.wall_time for e in loss] == pytest.approx([row["time"] for row in run.metrics("train")])
        assert [e.step for e in read.Scalars("eval/bits_per_byte")] == [2, 4, 6]
        texts = [(e.step, e.tensor_proto.string_val[0].decode()) for e in read.Tensors("sample")]
        assert texts == [(step, f"    Once {step}") for step in (2, 4, 6)]
        assert "_hparams_/session_start_info" in read.Tags()["tensors"]


def wandb_records(path: Path):
    """What a file of W&B's offline mode holds: records in blocks of 32 KiB, as LevelDB writes its logs."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, part = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        size, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        part += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(part)
            part = b""
            yield record


@pytest.mark.slow
def test_wandb_keeps_a_run_offline_and_goes_on_with_it(run, monkeypatch, caplog):
    pytest.importorskip("wandb")
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(run.folder / "nothing"))
    with caplog.at_level(logging.INFO, "glassformer"):
        for last in (4, 6):
            with Watch(run, ["wandb"]) as watch:
                trained(run, last - 3, last)  # 1 to 4, then 3 to 6: 3 and 4 are repeated
                watch()
            assert not watch.lost
            run.log("event", 2, what="resume")
            time.sleep(1.1)  # a folder is named by its second
    assert "no API key" in caplog.text and "wandb sync" in caplog.text
    found = sorted(run.folder.glob("wandb/offline-run-*/*.wandb"))
    records = [record for path in found for record in wandb_records(path)]
    runs = [record.run for record in records if record.WhichOneof("record_type") == "run"]
    assert len(found) == 2 and len({each.run_id for each in runs}) == 1
    assert {(each.display_name, each.project) for each in runs} == {("a run", "glassformer")}
    config = {update.key: json.loads(update.value_json) for update in runs[0].config.update}
    assert config["model"] == {"n_layer": 2, "mixer": {"name": "full"}} and config["run"] == {"parameters": 7}
    rows = [
        {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
        for record in records if record.WhichOneof("record_type") == "history"
    ]  # fmt: skip
    losses = [(int(row["step"]), float(row["train/loss"])) for row in rows if "train/loss" in row]
    assert losses == [(step, 9.0 - step) for step in range(1, 7)]
    assert [int(row["step"]) for row in rows if "eval/bits_per_byte" in row] == [2, 4, 6]
    axes = {r.metric.glob_name: r.metric.step_metric for r in records if r.WhichOneof("record_type") == "metric"}
    assert axes["*"] == "step"


@pytest.mark.slow
def test_trackio_holds_what_the_logs_say(run, monkeypatch, tmp_path):
    pytest.importorskip("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    code = (
        "import sys; from pathlib import Path; from glassformer.runs.run import Run\n"
        "from glassformer.runs.dashboard import Watch\n"
        "with Watch(Run.open(Path(sys.argv[1])), ['trackio']) as watch: pass\n"
        "assert not watch.lost, watch.lost"
    )
    for last in (4, 6):
        trained(run, last - 3, last)
        done = subprocess.run(
            [sys.executable, "-c", code, str(run.folder)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        run.log("event", 2, what="resume")
    from trackio.sqlite_storage import SQLiteStorage

    monkeypatch.setattr("trackio.sqlite_storage.TRACKIO_DIR", tmp_path / "trackio")
    logs = SQLiteStorage.get_logs("glassformer", "a run")
    assert [(row["step"], row["train/loss"]) for row in logs if "train/loss" in row] == [
        (n, 9.0 - n) for n in range(1, 7)
    ]
    assert [row["step"] for row in logs if "sample" in row] == [2, 4, 6]
    assert SQLiteStorage.get_run_config("glassformer", "a run")["model"]["n_layer"] == 2


def test_values_are_named_as_the_docstring_says():
    line = {"kind": "eval", "step": 250, "split": "validation", "loss": 2.5, "bpb": 0.9, "tokens": 65536, "time": 1.0}
    assert values(line) == {"eval/loss": 2.5, "eval/bits_per_byte": 0.9} and values({"kind": "event", "step": 1}) == {}
