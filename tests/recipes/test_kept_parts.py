"""A part in a file of one's own: the checkpoint keeps its source, runs that one, and says when the file has changed."""

import shutil
from pathlib import Path

import pytest
import torch

from glassformer.errors import CheckpointError
from glassformer.recipes.presets import Recipe
from glassformer.runs import checkpoint, parts

from .conftest import assert_same, cut, resume, train, weights

NORM = """
from torch import nn
from glassformer.model.norm import Norm

class Config(Norm):
    def build(self, shapes, kernels=None):
        return Half()

class Half(nn.Module):
    def forward(self, x):
        return x / 2
"""


@pytest.fixture
def own(desk, monkeypatch):
    """A finished run with a norm of one's own in my_norm.py; nothing else has ever run here."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(desk / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(desk / "cache"))
    Path("my_norm.py").write_text(NORM)
    assert train("runs/own", "model.norm=./my_norm.py") == "done"
    return Path("runs/own")


def logits(run):
    return checkpoint.load(run).model()(torch.arange(9)[None])


def test_fault_28_the_same_file_is_used_and_nothing_is_said(own, caplog):
    before = logits(own)
    Path("my_norm.py").write_text(NORM)  # other times, same bytes
    assert torch.equal(logits(own), before) and not caplog.text
    assert checkpoint.load(own).recipe["model"]["norm"]["name"] == str(Path("my_norm.py").resolve())


def test_fault_28_a_file_that_changed_is_said_and_the_kept_one_is_run(own, caplog):
    before = logits(own)
    Path("my_norm.py").write_text(NORM.replace("x / 2", "x / 4"))
    assert torch.equal(logits(own), before)
    assert "my_norm.py has changed since this model was made; the source that was kept" in caplog.text


@pytest.mark.parametrize("gone", [True, False])
def test_fault_28_a_resumed_run_goes_on_with_the_code_it_began_with(own, gone):
    whole = weights(own)
    cut(own, 2)
    if gone:
        Path("my_norm.py").unlink()
    else:
        Path("my_norm.py").write_text(NORM.replace("x / 2", "x / 4"))
    assert resume(own) == "done"
    name = str(Path("my_norm.py").resolve())
    assert f'"name": "{name}"' in (checkpoint.load(own).folder / "recipe.json").read_text()  # what the run calls it
    shutil.rmtree(own / "checkpoints" / "00000002")  # the copy that the resumed run was loaded from
    Path("my_norm.py").unlink(missing_ok=True)
    assert_same(weights(own), whole)


def test_fault_28_a_copied_run_needs_no_file_of_its_own(own, tmp_path, monkeypatch):
    before = logits(own)
    shutil.copytree(own, tmp_path / "copied")
    Path("my_norm.py").unlink()
    monkeypatch.chdir(tmp_path)
    assert torch.equal(logits("copied"), before)


def test_fault_28_code_that_never_ran_here_runs_only_when_it_is_trusted(own, monkeypatch):
    before = logits(own)
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path("other machine").absolute()))
    monkeypatch.setenv("LOCALAPPDATA", str(Path("other machine").absolute()))
    folder = checkpoint.newest(own)
    for _ in range(2):
        with pytest.raises(
            CheckpointError, match=r"never run on this machine: read .*part-.*-my_norm\.py.*glass.* trust"
        ):
            logits(own)
        Path("my_norm.py").unlink(missing_ok=True)
    assert checkpoint.trust(own) == [folder / next(folder.glob("part-*")).name]
    assert torch.equal(logits(own), before)


@pytest.mark.parametrize("name", ["evil.py", "./evil.py", "runs/own/evil.py", "ABSOLUTE", "full,./evil.py"])
@pytest.mark.parametrize("form", ["name", "word"])
def test_fault_28_a_recipe_that_names_another_file_runs_nothing(own, name, form):
    for place in ("evil.py", "runs/own/evil.py"):
        Path(place).write_text("raise SystemExit('it ran')")
    name = str(Path("evil.py").resolve()) if name == "ABSOLUTE" else name
    recipe = checkpoint.load(own).recipe
    recipe["model"]["norm" if form == "word" else "mlp"] = name if form == "word" else {"name": name}
    with pytest.raises(CheckpointError, match="never run on this machine"):
        parts.resolved(recipe, checkpoint.newest(own))


def test_the_text_of_a_recipe_may_be_python(own):
    """A setting that names data is no code, whatever its ending."""
    recipe = (
        Recipe().override("corpus=files", "corpus.path=my_norm.py", "sample.prompt=my_norm.py").model_dump(mode="json")
    )
    assert parts.names(recipe) == set()


def test_fault_28_what_a_part_imports_is_named(own, monkeypatch):
    Path("numbers_of_mine.py").write_text("HALF = 2\n")
    Path("my_norm.py").write_text("from numbers_of_mine import HALF\n" + NORM.replace("x / 2", "x / HALF"))
    monkeypatch.syspath_prepend(".")
    said: list[str] = []
    assert train("runs/two", "model.norm=./my_norm.py", say=said.append) == "done"
    sentence = "my_norm.py is kept with every checkpoint, and numbers_of_mine.py, which it imports, is not"
    assert any(sentence in line for line in said)
