"""A village small enough to train on in a second."""

from pathlib import Path

import pytest

from glassformer.data.shards import Dataset
from glassformer.recipes.build import dataset
from glassformer.recipes.presets import Recipe, mini

SMALL = (
    "model.embed=token", "model.head=tied", "train.sampler=windows",
    "corpus.megabytes=0.2", "corpus.validation_fraction=0.5", "corpus.workers=1", "tokenizer.vocab_size=400",
    "model.n_layer=2", "model.n_embd=32", "model.n_head=2", "model.context_length=32", "model.dropout=0.1",
    "train.steps=12", "train.micro_batch_size=4", "train.grad_accumulation=2", "train.precision=fp32",
    "train.eval_every=6", "train.eval_tokens=256", "train.sample_every=6", "train.checkpoint_every=3",
    "train.log_every=1", "train.keep_checkpoints=20", "sample.max_new_tokens=8",
)  # fmt: skip


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return mini().override(*SMALL)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory, recipe) -> Path:
    """A folder in which the small village is prepared."""
    folder = tmp_path_factory.mktemp("workshop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        dataset(recipe, lambda *told: None)
    return folder


@pytest.fixture
def data(workshop, recipe, monkeypatch) -> Dataset:
    """The prepared village; the test runs in its folder."""
    monkeypatch.chdir(workshop)
    return dataset(recipe, lambda *told: None)
