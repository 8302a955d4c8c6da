"""Checkpoints that are written while the training goes on: the same bits, one at a time, and what a full disk does."""

import errno
import os
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from glassformer.errors import DiskError, GlassError
from glassformer.runs import checkpoint, listing, manifest, writing
from glassformer.runs.report import write_report
from glassformer.runs.run import Run
from glassformer.train.saving import Copy

from ..runs.test_checkpoint import Bomb
from .test_resume import killing
from .test_trainer import Killed, assert_equal_bits, resume, run, weights

BACKGROUND = ("train.async_checkpoint=true", "train.sample_every=0")


@pytest.fixture(scope="module")
def whole(workshop, recipe, tmp_path_factory):
    """The folder of the run that writes its checkpoints in the foreground."""
    from glassformer.recipes import build

    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workshop)
        run(recipe.override("train.sample_every=0"), build.dataset(recipe, lambda *told: None), folder)
    return folder


def events(folder, what):
    return [event for event in Run.open(folder).metrics("event") if event["what"] == what]


def steps(folder):
    return [int(path.name) for path in checkpoint.steps(folder / "checkpoints")]


def test_every_checkpoint_in_the_background_is_that_of_the_foreground(recipe, data, tmp_path, monkeypatch):
    """Also when the disk is so slow that the steps after it are over long before it is."""
    recipe, save = recipe.override("train.ema=0.9", "train.sample_every=0"), writing.save
    run(recipe, data, tmp_path / "front")

    def slow(*given):
        threading.Event().wait(0.05)
        return save(*given)

    monkeypatch.setattr(writing, "save", slow)
    run(recipe.override(*BACKGROUND), data, tmp_path / "back")
    assert steps(tmp_path / "back") == steps(tmp_path / "front") == [0, 3, 6, 9, 12]
    for step in steps(tmp_path / "back"):
        there = [tmp_path / name / "checkpoints" / f"{step:08d}" for name in ("back", "front")]
        for name in ("model", "optimizer", "average"):
            assert (there[0] / f"{name}.safetensors").read_bytes() == (there[1] / f"{name}.safetensors").read_bytes()
        for name in ("optimizer.json", "tokenizer.json"):
            assert (there[0] / name).read_bytes() == (there[1] / name).read_bytes()
        states = [checkpoint.load(folder).state for folder in there]
        assert {**states[0], "seconds": 0} == {**states[1], "seconds": 0}
    told = [[event["step"] for event in events(tmp_path / name, "checkpoint")] for name in ("back", "front")]
    assert told == [[0, 3, 6, 9, 12]] * 2


def test_the_steps_go_on_while_it_is_written_and_the_next_one_waits(recipe, data, tmp_path, monkeypatch):
    save, go_on, at, threads = writing.save, threading.Event(), [], []

    def blocked(folder, held, *given):
        threads.append(threading.current_thread())
        if held.state["step"] == 3:
            assert go_on.wait(20), "step 5 was never reached"
            at.append((seen[-1], steps(tmp_path / "run")))
        return save(folder, held, *given)

    seen = []

    def watch(line):
        if line["kind"] == "train":
            seen.append(line["step"])
            if line["step"] == 5:
                go_on.set()

    monkeypatch.setattr(writing, "save", blocked)
    assert run(recipe.override(*BACKGROUND), data, tmp_path / "run", watch) == "done"
    assert at == [(at[0][0], [0])] and at[0][0] in (5, 6)  # the checkpoint of step 6 waits for that of step 3
    assert threading.main_thread() not in threads and not [t for t in threads if t.is_alive()]


@pytest.mark.parametrize("step", [4, 9])
def test_killed_and_resumed_it_is_the_same_run(whole, recipe, data, tmp_path, step):
    with pytest.raises(Killed):
        run(recipe.override(*BACKGROUND), data, tmp_path / "cut", killing(step))
    assert resume(tmp_path / "cut") == "done"
    assert_equal_bits(weights(tmp_path / "cut"), weights(whole))


def test_a_copy_is_the_tensors_of_then_and_ties_stay(tmp_path):
    table = torch.nn.Parameter(torch.randn(4, 3))
    model = torch.nn.ModuleDict({"a": torch.nn.Embedding(4, 3), "b": torch.nn.Linear(3, 4, bias=False)})
    model["a"].weight = model["b"].weight = table
    copies, state = Copy(), {"step": 1, "lowest": {"step": 0}}
    first = copies.of(writing.contents(model, None, state))
    was, tensors = table.detach().clone(), first.tensors["model.safetensors"]
    with torch.no_grad():
        table.add_(1)
    state["lowest"]["step"] = 1
    assert torch.equal(tensors["a.weight"], was) and tensors["a.weight"] is tensors["b.weight"]
    assert first.state["lowest"] == {"step": 0}
    second = copies.of(writing.contents(model, None, state)).tensors["model.safetensors"]
    assert torch.equal(second["a.weight"], table) and second["a.weight"] is tensors["a.weight"]  # no memory is taken again


# the disk refuses


def refusing(monkeypatch, when):
    """Every write of a checkpoint for which `when(step, number of the try)` is true fails, with half of it written."""
    save, tries = writing.write_tensors, []

    def write_tensors(path, tensors):
        step = int(path.parent.name.split(".")[1])
        tries.append(step)
        if path.name == "optimizer.safetensors" and when(step, tries.count(step) // 2):
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(path, tensors)

    monkeypatch.setattr(writing, "write_tensors", write_tensors)


def test_a_disk_that_refuses_once_costs_nothing(whole, recipe, data, tmp_path, monkeypatch):
    refusing(monkeypatch, lambda step, nth: step in (3, 12) and nth == 1)
    assert run(recipe.override(*BACKGROUND), data, tmp_path / "run") == "done"
    assert steps(tmp_path / "run") == [0, 3, 6, 9, 12]
    assert_equal_bits(weights(tmp_path / "run"), weights(whole))
    told = events(tmp_path / "run", "refused")
    assert len(told) == 2 and "No space left on device); the checkpoint is written again" in told[0]["detail"]


@pytest.mark.parametrize("background", ["true", "false"])
def test_a_full_disk_stops_at_once_with_place_and_remedy(whole, recipe, data, tmp_path, monkeypatch, background):
    recipe = recipe.override(*BACKGROUND, f"train.async_checkpoint={background}", "train.keep_checkpoints=1")
    with monkeypatch.context() as patch:
        refusing(patch, lambda step, nth: step >= 6)
        with pytest.raises(DiskError) as caught:
            run(recipe, data, tmp_path / "run")
    sentence = str(caught.value)
    assert "checkpoints/00000006 could not be written (No space left on device): free space there" in sentence
    assert "go on from step 3 with `" in sentence and "\n" not in sentence
    there = sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir())
    assert there == ["00000003"] and checkpoint.load(tmp_path / "run").step == 3
    assert max(line["step"] for line in Run.open(tmp_path / "run").metrics("train")) <= 9  # not to the end
    assert resume(tmp_path / "run") == "done"
    assert_equal_bits(weights(tmp_path / "run"), weights(whole))


def test_the_real_limit_of_a_file_is_one_sentence_too(recipe, data, tmp_path):
    """No patch: from step 4 on the system itself refuses files of over 60 kB."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(line):
        if line["kind"] == "train" and line["step"] == 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))

    try:
        with pytest.raises(DiskError, match=r"00000006 could not be written \(File too large\): raise the limit"):
            run(recipe.override(*BACKGROUND), data, tmp_path / "run", limit)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert steps(tmp_path / "run") == [0, 3] and checkpoint.load(tmp_path / "run").step == 3


def test_a_checkpoint_that_the_disk_gives_back_otherwise_is_refused(recipe, data, tmp_path, monkeypatch):
    """The older one is not deleted for it."""
    save = writing.save

    def bad(*given):
        folder = save(*given)
        if folder.name == "00000003":
            (folder / "model.safetensors").write_bytes(b"zeros")
        return folder

    monkeypatch.setattr(writing, "save", bad)
    with pytest.raises(DiskError, match="SHA-256.*although it has just been written: check the disk it is on, and go on"):
        run(recipe.override("train.keep_checkpoints=1"), data, tmp_path / "run")
    assert steps(tmp_path / "run") == [0]


def test_permanent_checkpoints_are_made_and_stay(recipe, data, tmp_path):
    kept = recipe.override("train.keep_every=4", "train.keep_checkpoints=1", "train.sample_every=0", "train.steps=11")
    run(kept, data, tmp_path / "run")
    assert steps(tmp_path / "run") == [0, 4, 8, 11]
    assert all(checkpoint.load(path).state["permanent"] for path in checkpoint.steps(tmp_path / "run/checkpoints"))


@pytest.mark.parametrize("name", ["model.safetensors", "manifest.json"])
def test_a_run_with_a_damaged_newest_checkpoint_goes_on_from_the_one_before(whole, recipe, data, tmp_path, name, caplog):
    with pytest.raises(Killed):
        run(recipe.override("train.sample_every=0"), data, tmp_path / "cut", killing(8))
    newest = checkpoint.newest(tmp_path / "cut")
    (newest / name).write_bytes((newest / name).read_bytes()[:-20])
    assert resume(tmp_path / "cut") == "done"
    assert "00000006" in caplog.text and "the checkpoint of step 3 is used in its place" in caplog.text
    assert (tmp_path / "cut/damaged/00000006" / name).exists()
    assert_equal_bits(weights(tmp_path / "cut"), weights(whole))


HOSTILE = ("model.pt", "optimizer.pt", "pytorch_model.bin", ".metadata", "__0_0.distcp", "weights.pkl", "extra.safetensors")


def test_hostile_files_in_a_run_run_nothing(whole, recipe, data, tmp_path, monkeypatch):
    """Pickles under every name that some tool would read, beside the checkpoint and in place of its files."""
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    for place in (folder, folder / "checkpoints", checkpoint.newest(folder)):
        for name in HOSTILE:
            (place / name).write_bytes(pickle.dumps(Bomb()))
        for name in ("sitecustomize.py", "conftest.py", "part-000000000000-mine.py"):
            (place / name).write_text("open('exploded', 'w')")
    shutil.rmtree(folder / "checkpoints/00000012")
    assert resume(folder) == "done"
    assert_equal_bits(weights(folder), weights(whole))
    assert listing.rows(tmp_path) and write_report(folder)
    for name in ("model.safetensors", "optimizer.safetensors", "optimizer.json", "state.json", "recipe.json",
                 "tokenizer.json", "parts.json"):  # fmt: skip
        spoiled = Path(shutil.copytree(checkpoint.newest(whole), tmp_path / name / "checkpoints/00000012"))
        (spoiled / name).write_bytes(pickle.dumps(Bomb()))
        manifest.seal(spoiled)  # the checksums are those of the hostile file
        with pytest.raises(GlassError):
            saved = checkpoint.load(spoiled)
            model = saved.model()
            saved.tokenizer()
            saved.fill_optimizer(recipe.train.optimizer.build(model), model)
    assert not (tmp_path / "exploded").exists()
    pickle.loads(pickle.dumps(Bomb()))
    assert (tmp_path / "exploded").exists()  # it would have been seen


FULL = """
mount -t tmpfs -o size=8m tmpfs "$1" && cd "$1" && shift
"$@"
code=$?
ls -a runs/full/checkpoints
exit $code
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("background", ["true", "false"])
def test_a_file_system_that_is_really_full(tmp_path, background):
    """8 MB of main memory as a disk, on which the run and its data are."""
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces")
    command = [sys.executable, "-m", "glassformer", "train", "village", "corpus.megabytes=0.2", "corpus.workers=1",
               "tokenizer.vocab_size=400", "model.embed=token", "model.head=tied", "model.n_layer=2", "model.n_embd=64",
               "model.context_length=64", "train.steps=20", "train.micro_batch_size=4", "train.precision=fp32",
               "train.checkpoint_every=1", "train.keep_checkpoints=20", f"train.async_checkpoint={background}",
               "--name", "full"]  # fmt: skip
    made = subprocess.run(
        [unshare, "-rm", "sh", "-c", FULL, "sh", str(tmp_path), *command], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert made.returncode == 2 and "Traceback" not in made.stderr, made.stderr
    assert "No space left on device): free space there, and go on from step" in " ".join(made.stderr.split())
    there = made.stdout.split("\n")
    assert not [name for name in there if name.endswith((".preparing", ".tmp"))] and "00000001" in there
