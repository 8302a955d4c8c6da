"""Snapshots: at the powers of two and the end, in half the bytes, the same whether the run was killed or not."""

import pytest
import torch

from glassformer.data.shards import Dataset
from glassformer.errors import GlassError
from glassformer.generate.text import complete
from glassformer.lab import evaluate
from glassformer.runs import checkpoint, snapshots
from glassformer.runs.run import Run

from .test_trainer import Killed, assert_equal_bits, resume, run


@pytest.fixture
def small(recipe):
    return recipe.override(
        "train.steps=6", "train.eval_every=6", "train.sample_every=0", "train.checkpoint_every=3",
        "train.keep_checkpoints=1", "train.optimizer=adamw", "train.grad_accumulation=1",
        "model.context_length=16", "train.snapshots=true",
    )  # fmt: skip


def test_which_steps_have_one():
    assert [step for step in range(70) if snapshots.is_due(step)] == [0, 1, 2, 4, 8, 16, 32, 64]


def test_they_are_the_weights_in_bf16_and_survive_a_kill_and_a_resume(small, data, tmp_path):
    def kill(line):
        if line["kind"] == "train" and line["step"] == 5:
            raise Killed

    assert run(small.override("train.keep_checkpoints=9", "train.checkpoint_every=1"), data, tmp_path / "whole") == "done"
    with pytest.raises(Killed):
        run(small, data, tmp_path / "cut", kill)
    assert list(snapshots.steps(tmp_path / "cut")) == [0, 1, 2, 4] and checkpoint.load(tmp_path / "cut").step == 3
    written = (tmp_path / "cut" / "snapshots" / "step-2" / "state.json").stat().st_mtime_ns
    assert resume(tmp_path / "cut") == "done"
    assert (tmp_path / "cut" / "snapshots" / "step-2" / "state.json").stat().st_mtime_ns == written  # not made again
    found, others = snapshots.steps(tmp_path / "whole"), snapshots.steps(tmp_path / "cut")
    assert list(found) == list(others) == [0, 1, 2, 4, 6]
    for step, path in found.items():
        saved = checkpoint.load(path)
        assert saved.step == step and saved.tokenizer().fingerprint() == data.tokenizer.fingerprint()
        assert_equal_bits(saved.model().state_dict(), checkpoint.load(others[step]).model().state_dict())
        at = f"{step:08d}"
        for name, value in checkpoint.load(tmp_path / "whole" / "checkpoints" / at).model().state_dict().items():
            got = saved.model().state_dict()[name]
            assert got.dtype == value.dtype and torch.equal(got, value.to(torch.bfloat16).to(value.dtype)), name
        size = [(folder / "model.safetensors").stat().st_size for folder in (path, tmp_path / "whole" / "checkpoints" / at)]
        assert size[0] < 0.6 * size[1]


def test_one_is_used_by_name_and_never_trained_on(small, data: Dataset, tmp_path):
    assert run(small, data, tmp_path / "run") == "done"
    first = tmp_path / "run" / "snapshots" / "step-1"
    saved = checkpoint.load(first, checkpoint.best)
    assert complete(saved.model(), saved.tokenizer(), ["One"], small.sample)[0] is not None
    lines = len(Run.open(tmp_path / "run").metrics("score"))
    assert evaluate.judge(first, 1, most_tokens=64).rows["model"]["bpb"] > 0
    assert len(Run.open(tmp_path / "run").metrics("score")) == lines
    with pytest.raises(GlassError, match=r"step-1 can be used, but no training goes on from it; .*resume"):
        resume(first)


def test_going_back_to_a_checkpoint_makes_the_later_ones_again(small, data, tmp_path):
    assert run(small.override("train.keep_checkpoints=9"), data, tmp_path / "run") == "done"
    kept = {step: checkpoint.load(path).model().state_dict() for step, path in snapshots.steps(tmp_path / "run").items()}
    (tmp_path / "run" / "snapshots" / "step-5").mkdir()  # of another run that ended there
    assert resume(tmp_path / "run" / "checkpoints" / "00000003") == "done"
    found = snapshots.steps(tmp_path / "run")
    assert list(found) == [0, 1, 2, 4, 6]
    for step, path in found.items():
        assert_equal_bits(checkpoint.load(path).model().state_dict(), kept[step])
