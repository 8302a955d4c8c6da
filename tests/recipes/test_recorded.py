"""What a resumed run goes on with: its own record, its own dataset wherever that is now, its own checkpoints."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from glassformer.errors import DatasetError, DiskError, GlassError, SettingError
from glassformer.recipes import launch
from glassformer.recipes.recorded import MAY_CHANGE
from glassformer.runs import checkpoint
from glassformer.runs import weights as weights_file
from glassformer.runs.run import Run
from glassformer.system.lock import Busy, locked

from .conftest import assert_same, cut, resume, train, weights


def edit(path, **changes):
    """Set values of a JSON file: `model_n_layer=2` sets n_layer in model."""
    tree = json.loads(Path(path).read_text())
    for name, value in changes.items():
        group, _, key = name.partition("_")
        tree[group][key] = value
    Path(path).write_text(json.dumps(tree))


# the same text, wherever it is


def test_fault_07_text_that_was_copied_away_and_back_resumes(desk, whole):
    text = Path("book.txt").read_bytes()
    Path("book.txt").unlink()
    Path("book.txt").write_bytes(text)
    os.utime("book.txt", (1, 1))
    shutil.rmtree("data")  # so that it is prepared again
    said: list[str] = []
    assert resume("runs/book", say=said.append) == "done"
    assert_same(weights("runs/book"), whole)
    assert not any("changed" in line for line in said)


def test_fault_07_other_text_of_the_same_size_and_time_is_found(desk):
    status = os.stat("book.txt")
    Path("book.txt").write_text(Path("book.txt").read_text().replace("goat", "deer"))
    os.utime("book.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    said: list[str] = []
    assert resume("runs/book", say=said.append) == "done"  # the dataset holds the old text
    assert any(
        re.match("book.txt has changed since; the run goes on with data/book-.*the old text", line) for line in said
    )
    cut("runs/book", 2)
    shutil.rmtree("data")
    with pytest.raises(DatasetError, match="its text has changed since the run was started; bring back"):
        resume("runs/book")
    assert checkpoint.load("runs/book").step == 2


@pytest.mark.parametrize("moved", ["everything", "run and text", "run and dataset", "dataset renamed", "from outside"])
def test_fault_07_a_run_goes_on_elsewhere(desk, whole, tmp_path, monkeypatch, moved):
    (elsewhere := tmp_path / "elsewhere").mkdir()
    if moved == "dataset renamed":
        shutil.copytree("runs", elsewhere / "runs")
        shutil.copytree(next(Path("data").iterdir()), elsewhere / "data" / "other")
    else:
        names = {"run and text": ["runs", "book.txt"], "run and dataset": ["runs", "data"]}.get(moved, os.listdir())
        for name in names:
            (shutil.copytree if Path(name).is_dir() else shutil.copy)(name, elsewhere / name)
    shutil.rmtree(desk)
    monkeypatch.chdir(tmp_path if moved == "from outside" else elsewhere)
    run = Path("elsewhere/runs/book") if moved == "from outside" else Path("runs/book")
    assert resume(run) == "done"
    assert_same(weights(run), whole)


def test_fault_07_a_text_that_moved_is_named_and_remembered(desk, whole):
    Path("book.txt").rename("novel.txt")
    shutil.rmtree("data")
    with pytest.raises(DatasetError, match=r"is not there.*glass.* resume runs/book corpus\.path=PLACE"):
        resume("runs/book")
    assert resume("runs/book", settings=["corpus.path=novel.txt"]) == "done"
    assert_same(weights("runs/book"), whole)
    assert Run.open(Path("runs/book")).recipe()["corpus"]["path"] == "novel.txt"


# what a resume may change


@pytest.mark.parametrize("change", [
    {"model_n_layer": 2}, {"train_learning_rate": 0.5}, {"train_seed": 7}, {"train_steps": 99},
])  # fmt: skip
def test_fault_29_a_recipe_that_was_edited_is_refused_by_name(desk, change):
    edit("runs/book/recipe.json", **change)
    before = Path("runs/book/metrics.jsonl").read_bytes()
    name = next(iter(change)).replace("_", ".", 1)
    with pytest.raises(SettingError, match=rf"recipe\.json was changed after the run had begun: {re.escape(name)} is"):
        resume("runs/book")
    assert Path("runs/book/metrics.jsonl").read_bytes() == before
    shutil.copy("runs/book/checkpoints/00000002/recipe.json", "runs/book/recipe.json")  # as the sentence says
    assert resume("runs/book") == "done"


def test_fault_29_what_a_resume_may_change_changes_no_weight(desk, whole):
    edit("runs/book/recipe.json", sample_temperature=0.25, train_log_every=2)
    assert resume("runs/book", settings=["train.eval_every=1", "sample.max_new_tokens=2"]) == "done"
    assert_same(weights("runs/book"), whole)
    for recipe in (Run.open(Path("runs/book")).recipe(), checkpoint.load("runs/book").recipe):
        assert recipe["sample"]["temperature"] == 0.25 and recipe["sample"]["max_new_tokens"] == 2
        assert recipe["train"]["eval_every"] == 1 and recipe["train"]["log_every"] == 2
    with pytest.raises(
        SettingError, match=r"train\.steps=9 cannot be changed .* may change sample\.\*, train\.eval_every"
    ):
        resume("runs/book", settings=["train.steps=9"])


def test_fault_29_every_setting_of_the_list_exists(finished):
    for name in MAY_CHANGE:
        tree = json.loads((finished / "runs/book/recipe.json").read_text())
        for part in name.split("."):
            tree = tree[part]


# one of its checkpoints


def test_fault_34_a_checkpoint_is_resumed_and_those_after_it_are_trained_again(finished, desk, whole):
    shutil.rmtree("runs/book")
    shutil.copytree(finished / "runs/book", "runs/book")
    said: list[str] = []
    assert resume("runs/book/checkpoints/00000002", say=said.append) == "done"
    assert any("continuing runs/book from step 2 of 6" in line for line in said)
    assert_same(weights("runs/book"), whole)
    events = Run.open(Path("runs/book")).metrics("event")
    assert [event["detail"] for event in events if event["what"] == "resume"] == ["00000002"]


def test_fault_34_a_checkpoint_without_its_run_says_what_is_missing(desk):
    shutil.copytree("runs/book/checkpoints/00000002", "alone")
    with pytest.raises(GlassError, match="alone holds no run"):
        resume("alone")


# one writer


def test_fault_32_a_second_resume_and_a_second_train_are_one_sentence(desk, monkeypatch):
    import threading

    said = []

    def second():
        for call in (lambda: resume("runs/book"), lambda: train("runs/book")):
            try:
                call()
            except Busy as error:
                said.append(str(error))

    with locked(Path("runs/book")):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(said) == 2 and all(line.startswith("runs/book is being written by process ") for line in said)
    assert resume("runs/book") == "done"


# what is refused leaves nothing


@pytest.mark.parametrize("settings, sentence", [
    (("tokenizer=char", "sample.prompt=naïve"), "sample.prompt cannot be continued"),
    (("sample.prompt=" + "long " * 9,), "sample.prompt cannot be continued"),
    (("train.device=mps",), "train.device"),
    (("train.lengths=9:0.5",), "train.lengths"),
])  # fmt: skip
def test_fault_10_what_is_refused_leaves_no_folder_and_its_name_free(desk, settings, sentence):
    with pytest.raises(GlassError, match=re.escape(sentence)):
        train("runs/new", *settings)
    assert os.listdir("runs") == ["book"]
    assert train("runs/new") == "done"


def test_fault_10_a_run_that_fails_before_its_first_checkpoint_leaves_no_folder(desk, monkeypatch):
    def refuses(*given):
        raise DatasetError("the held-out text is too short")

    monkeypatch.setattr(launch, "sequential", refuses)
    with pytest.raises(DatasetError, match="too short"):
        train("runs/new")
    assert os.listdir("runs") == ["book"]


# a full disk


def full(monkeypatch, after):
    """Every write of weights fails once `after` of them have been done."""
    done, real = [], weights_file.save_file

    def save_file(*given):
        done.append(given)
        if len(done) > after:
            raise OSError(28, "No space left on device")
        return real(*given)

    monkeypatch.setattr(weights_file, "save_file", save_file)


def test_fault_36_a_full_disk_at_a_checkpoint_says_how_the_run_goes_on(desk, whole, monkeypatch):
    full(monkeypatch, after=4)  # two files for each checkpoint
    with pytest.raises(DiskError, match=r"No space left.*free space.* go on from step 2 with `.*glass.* resume runs/full`"):
        train("runs/full")
    assert [path.name for path in checkpoint.steps(Path("runs/full/checkpoints"))] == ["00000000", "00000002"]
    monkeypatch.undo()
    monkeypatch.chdir(desk)
    assert resume("runs/full") == "done"
    assert_same(weights("runs/full"), whole)


def test_fault_36_a_full_disk_at_the_first_checkpoint_leaves_nothing_to_resume(desk, monkeypatch):
    full(monkeypatch, after=1)
    with pytest.raises(DiskError, match="free space.* and run the command again"):
        train("runs/full")
    assert os.listdir("runs") == ["book"]


@pytest.mark.parametrize("content", ["{}", '{"dataset": {}}', '{"dataset": 3, "precision": []}', "[]", "null", "", "{"])
def test_fault_36_a_run_json_without_its_facts_is_one_sentence(desk, content):
    Path("runs/book/run.json").write_text(content)
    with pytest.raises(GlassError, match=r"runs/book/run\.json .*restore it from a copy, or train a new run"):
        resume("runs/book")
    assert checkpoint.load("runs/book").step == 2
