"""A tiny run on a text of its own: the smallest thing that can be stopped, moved, edited and continued."""

import contextlib
import shutil
from pathlib import Path

import pytest
import torch

from glassformer.recipes import build, launch
from glassformer.recipes.presets import Recipe
from glassformer.runs import checkpoint

TINY = (
    "tokenizer=byte", "model.n_layer=1", "model.n_embd=16", "model.n_head=2", "model.context_length=16",
    "model.dropout=0.1", "train.steps=6", "train.micro_batch_size=2", "train.precision=fp32", "train.eval_tokens=64",
    "train.eval_every=3", "train.sample_every=3", "train.checkpoint_every=2", "train.log_every=1",
    "train.keep_checkpoints=9", "sample.max_new_tokens=4",
)  # fmt: skip


def quietly(watch=lambda line: None):
    """The arguments of `launch.train` and `launch.resume` that tell nothing."""
    return {"say": lambda line: None, "watching": lambda steps, done: contextlib.nullcontext(watch)}


def train(folder, *settings, **given):
    """Train the tiny recipe on book.txt of this folder into the run `folder`."""
    recipe = Recipe().override("corpus=files", "corpus.path=book.txt", *TINY, *settings)
    return launch.train(recipe, build.dataset(recipe, lambda *told: None), Path(folder), **{**quietly(), **given})


def resume(folder, **given):
    return launch.resume(Path(folder), **{**quietly(), "progress": lambda *told: None, **given})


def weights(folder):
    return checkpoint.load(folder).model().state_dict()


def assert_same(one, other):
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def cut(folder, step):
    """As if the run had been killed after the checkpoint of this step."""
    for path in checkpoint.steps(Path(folder) / "checkpoints"):
        if int(path.name) > step:
            shutil.rmtree(path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder with book.txt, its dataset and the finished run runs/book."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("book.txt").write_text("".join(f"The {i}th goat sat on wall {i * i}. " for i in range(60)))
        assert train("runs/book") == "done"
    return folder


@pytest.fixture
def whole(finished):
    """The weights at the end of the run that nothing disturbed."""
    return weights(finished / "runs/book")


@pytest.fixture
def desk(finished, tmp_path, monkeypatch):
    """A copy of that folder to work in, whose run was killed after step 2; the current folder."""
    shutil.copytree(finished, tmp_path / "desk")
    monkeypatch.chdir(tmp_path / "desk")
    cut("runs/book", 2)
    return tmp_path / "desk"
