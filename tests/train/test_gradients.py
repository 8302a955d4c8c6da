"""The gradient norms of the blocks are those of their parameters, and stand in the log."""

import pytest
import torch

from glassformer.runs.curves import by_depth
from glassformer.runs.run import Run
from glassformer.train.gradients import norms_by_block

from .conftest import data, recipe, workshop  # noqa: F401
from .test_trainer import run, trainer


def test_the_norms_are_those_of_the_blocks_before_clipping(recipe, data, tmp_path):  # noqa: F811
    made = trainer(recipe.override("train.grad_clip=1e-3", "model.n_layer=3"), data, tmp_path / "one")
    made.gradients(0)
    expected = [sum(p.grad.double().square().sum() for p in b.parameters()).sqrt().item() for b in made.inner.blocks]
    assert norms_by_block(made.inner) == pytest.approx(expected, rel=1e-5)
    made.passes.clip(logged=True)
    assert made.passes.block_norms == pytest.approx(expected, rel=1e-5)
    made.inner.zero_grad()
    assert norms_by_block(made.inner) == [0, 0, 0]


def test_a_logged_step_has_them_and_the_report_draws_up_to_four(recipe, data, tmp_path):  # noqa: F811
    short = recipe.override("train.steps=3", "train.log_every=2", "model.n_layer=6", "train.sample_every=0")
    run(short, data, tmp_path / "r")
    lines = Run.open(tmp_path / "r").metrics("train")
    assert [line["step"] for line in lines] == [2, 3] and all(len(line["block_norms"]) == 6 for line in lines)
    drawn = by_depth(lines)
    assert [line.name for line in drawn] == ["block 0", "block 2", "block 3", "block 5"]
    assert [point.value for point in drawn[-1].points] == [line["block_norms"][5] for line in lines]
    assert by_depth([{"step": 1}]) == []
    assert torch.tensor([line["block_norms"] for line in lines]).gt(0).all()
