"""Whatever a run reads, and however that changes on the way: cut in two, it is the same run, bit for bit."""

import json

import pytest
import torch

from glassformer.errors import DatasetError, SettingError
from glassformer.recipes import build
from glassformer.recipes.presets import mini
from glassformer.runs import checkpoint
from glassformer.runs.run import Run

from .conftest import SMALL
from .test_trainer import Killed, assert_equal_bits, resume, run, trainer, weights

READING = {
    "windows": [],
    "epochs": ["train.sampler=epochs"],
    "packed": ["train.sampler=packed"],
    "buckets": ["train.sampler=buckets", "train.sampler.multiple=8"],
    "lengths": ["train.sampler=packed", "train.lengths=8:0.3,16:0.3"],
    "batches": ["train.sampler=epochs", "train.batches=0.25:0.3,0.5:0.3", "train.lengths=8:0.5"],
    "mixture": ["train.sampler=epochs", 'train.mixture={"village": "0.9>0.1", "files:notes": "0.1>0.9"}'],
    "everything": [
        "train.sampler=packed", "train.lengths=8:0.5", "train.batches=0.5:0.6",
        'train.mixture={"village": "0.2>0.8", "files:notes": "0.8>0.2"}',
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A folder with a prepared dataset of the small village and a folder of notes, and its recipe."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "notes").mkdir()
    for i in range(40):
        (folder / f"notes/{i}.txt").write_text(f"Note {i}: " + " ".join(str(i * k) for k in range(2, 9 + i)) + ".\n")
    parts = '{"village": {"weight": 0.5, "megabytes": 0.05, "validation_fraction": 0.5, "workers": 1}, "notes": 0.5}'
    small = [setting for setting in SMALL if not setting.startswith("corpus")]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        recipe = mini().override(
            "corpus=mixture", f"corpus.parts={parts}", *small, "train.steps=8", "train.sample_every=0",
            "train.eval_every=8", "train.checkpoint_every=4",
        )
        yield recipe, build.dataset(recipe, lambda *told: None)


@pytest.mark.parametrize("name", READING)
def test_killed_and_resumed_is_undisturbed(mixed, name, tmp_path):
    recipe, data = mixed
    recipe = recipe.override(*READING[name])

    assert run(recipe, data, tmp_path / "whole") == "done"
    with pytest.raises(Killed):
        run(recipe, data, tmp_path / "cut", killing(5))
    assert resume(tmp_path / "cut") == "done"
    assert_equal_bits(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    lines = [Run.open(tmp_path / folder).metrics("train") for folder in ("whole", "cut")]
    for key in ("loss", "tokens", "grad_norm"):
        assert [line[key] for line in lines[0]] == [line[key] for line in lines[1]]
    assert all(0 <= line["data_seconds"] < 60 for line in lines[0])


OPTIMIZER = """
import torch
from glassformer.train.optimizer import Optimizer

class Sign(Optimizer):
    \"\"\"signSGD with a momentum in half precision and a rate that grows.\"\"\"
    growth: float = 1.01
    \"\"\"Factor of the rate in each step.\"\"\"

    def build(self, model, kernels=None):
        return SignSGD([p for p in model.parameters() if p.requires_grad], {"lr": 0.1, "growth": self.growth, "own": 1.0})

class SignSGD(torch.optim.Optimizer):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["own"] *= group["growth"]
            for p in group["params"]:
                momentum = self.state[p].setdefault("momentum", torch.zeros_like(p, dtype=torch.bfloat16))
                momentum.mul_(0.9).add_(p.grad)
                p.sub_(momentum.sign(), alpha=group["lr"] * group["own"] / 10)
"""


def killing(step):
    def kill(line):
        if line["kind"] == "train" and line["step"] == step:
            raise Killed

    return kill


def test_an_optimizer_of_ones_own_resumes_exactly(mixed, tmp_path):
    recipe, data = mixed
    (tmp_path / "sign.py").write_text(OPTIMIZER)
    recipe = recipe.override(f"train.optimizer={tmp_path / 'sign.py'}", "train.optimizer.growth=1.1")
    assert run(recipe, data, tmp_path / "whole") == "done"
    with pytest.raises(Killed):
        run(recipe, data, tmp_path / "cut", killing(5))
    assert resume(tmp_path / "cut") == "done"
    assert_equal_bits(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    kept = json.loads((checkpoint.load(tmp_path / "cut").folder / "optimizer.json").read_text())
    assert kept["param_groups"][0]["own"] == pytest.approx(1.1**8)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_with_a_frozen_half_is_the_same_run_when_it_is_cut(recipe, data, tmp_path, optimizer):
    recipe = recipe.override(f"train.optimizer={optimizer}", "train.sample_every=0")

    def freeze(model):
        model.blocks[0].requires_grad_(False)
        model.embed.requires_grad_(False)
        return model

    whole = trainer(recipe, data, tmp_path / "whole", wrap=freeze)
    before = {name: p.detach().clone() for name, p in whole.inner.named_parameters()}
    assert whole.train() == "done"
    with pytest.raises(Killed):
        trainer(recipe, data, tmp_path / "cut", wrap=freeze, watch=killing(5)).train()
    saved = checkpoint.load(tmp_path / "cut")
    assert saved.step == 3 and {name.split(".")[0] for name in saved.state["frozen"]} == {"embed", "blocks"}
    assert trainer(recipe, data, tmp_path / "cut", saved=saved).train() == "done"
    assert_equal_bits(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    assert checkpoint.load(tmp_path / "cut").state["frozen"] == saved.state["frozen"]
    for name, p in checkpoint.load(tmp_path / "cut").model().named_parameters():
        frozen = name.startswith(("embed.", "blocks.0."))
        assert p.requires_grad != frozen and torch.equal(p, before[name]) == frozen


def test_runs_that_read_differently_are_different(mixed, tmp_path):
    recipe, data = mixed
    losses = set()
    for name, settings in READING.items():
        run(recipe.override(*settings), data, tmp_path / name)
        losses.add(Run.open(tmp_path / name).metrics("train")[-1]["loss"])
    assert len(losses) == len(READING)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("train.lengths=64", "train.lengths: '64' is not length:share-of-the-steps"),
        ("train.batches=0.75:0.5", "train.batches: '0.75:0.5' is not share-of-the-batch:share-of-the-steps"),
        ("train.batches=0.2:0.5", "train.batches: a batch of 8 rows cannot be read in 5 equal parts"),
        ("train.lengths=9:0.5", "train.lengths: rows of 32 tokens cannot be cut into pieces of 9"),
        ('train.mixture={"village": "most"}', "train.mixture: 'most' is not a weight"),
        ('train.mixture={"village": 0, "files:notes": "0>1"}', "train.mixture: after 0% of the run all weights are 0"),
        ('train.mixture={"vilage": 1, "files:notes": 1}', "train.mixture: the dataset has no source 'vilage'; did you"),
        ("train.sampler=pack", "train.sampler: unknown sampler variant 'pack'; did you mean 'packed'?"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_before_anything_is_written(mixed, setting, sentence, tmp_path):
    recipe, data = mixed
    with pytest.raises(SettingError) as raised:
        run(recipe.override(setting), data, tmp_path / "run")
    assert str(raised.value).startswith(sentence)
    assert not (tmp_path / "run").exists()


def test_a_damaged_shard_stops_the_run_with_its_sentence(mixed, tmp_path, monkeypatch):
    """Found in the loader's thread, told where the user looks."""
    recipe, data = mixed
    whole, calls = type(data.train.tokens).windows, []

    def breaks(self, starts, length):
        calls.append(starts)
        if len(calls) > 4:
            raise DatasetError("id 7 is outside the vocabulary; prepare it again")
        return whole(self, starts, length)

    monkeypatch.setattr(type(data.train.tokens), "windows", breaks)
    with pytest.raises(DatasetError, match="prepare it again"):
        run(recipe, data, tmp_path / "run")
