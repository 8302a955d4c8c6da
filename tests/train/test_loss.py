"""The loss is a slot, and what a stage's data adds to a batch arrives at it whole."""

import pytest
import torch

from glassformer.config import variants
from glassformer.data.batches import Batch
from glassformer.data.curriculum import lengthening
from glassformer.data.loader import Loader
from glassformer.data.pace import Pace
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.recipes.presets import Recipe
from glassformer.runs import checkpoint
from glassformer.train.config import TrainConfig
from glassformer.train.evaluate import byte_lengths, evaluate
from glassformer.train.loss import Loss
from glassformer.train.loss.next_token import NextToken
from glassformer.train.precision import Precision

from .test_trainer import run, trainer

CPU = torch.device("cpu")
SMOOTHED = """
import torch
from pydantic import Field
from glassformer.train.loss import Loss

class Smoothed(Loss):
    \"\"\"Label smoothing (Szegedy et al., 2016).\"\"\"
    share: float = Field(default=0.1, ge=0, le=1)
    \"\"\"The share of a target that all tokens have in equal parts.\"\"\"

    def nats(self, model, batch):
        log_probs = model(batch.ids, documents=batch.documents).log_softmax(-1)
        nats = -log_probs.gather(-1, batch.targets.clamp(min=0)[..., None])[..., 0]
        return ((1 - self.share) * nats - self.share * log_probs.mean(-1)) * (batch.targets >= 0)
"""


def test_the_default_is_the_next_token():
    assert TrainConfig().loss == NextToken() and "next_token" in variants(Loss)


def test_fields_of_a_stage_arrive_at_the_loss_through_loader_curriculum_and_trainer(recipe, data, tmp_path):
    """A reward per row and a reference log-probability per token, in each micro-batch beside the ids they belong to."""
    seen, recipe = [], recipe.override("train.doctor=off")  # which calls the loss with a few rows

    class Rewarded(Loss):
        def nats(self, model, batch):
            seen.append(batch)
            return model(batch.ids, targets=batch.targets) * batch.reward[:, None]

    def with_fields(step, rank=0, ranks=1):
        batch = windows(step, rank, ranks)
        return batch.having(reward=batch.ids[:, 0] / 100, reference=-batch.ids / 7)

    windows = recipe.train.sampler.build(data.train, 32, recipe.train.batch_size, 1)
    short = lengthening(with_fields, "8:0.5", 32, Pace.even(4))
    with Loader(short, steps=4) as loader:
        made = trainer(recipe, data, tmp_path / "run", loss=Rewarded(), batches=loader)
        for step in range(4):
            made.update(step)
    assert [tuple(batch.ids.shape) for batch in seen] == [(16, 8)] * 4 + [(4, 32)] * 4
    for i, batch in enumerate(seen):
        assert torch.equal(batch.reference, -batch.ids / 7)
        whole = list(windows(i // 2).parts(2))[i % 2]
        assert torch.equal(batch.reward, (whole.ids[:, 0] / 100).repeat_interleave(4 if i < 4 else 1))


def test_a_loss_in_a_file_of_ones_own_trains_and_resumes(recipe, data, tmp_path):
    (tmp_path / "smoothed.py").write_text(SMOOTHED)
    mine = recipe.override(f"train.loss={tmp_path / 'smoothed.py'}", "train.loss.share=0.2", "train.steps=3")
    assert run(mine, data, tmp_path / "mine") == "done"
    assert run(recipe.override("train.steps=3"), data, tmp_path / "usual") == "done"
    mine, usual = (checkpoint.load(tmp_path / name) for name in ("mine", "usual"))
    assert mine.recipe["train"]["loss"] == {"name": str(tmp_path / "smoothed.py"), "share": 0.2}
    assert not torch.equal(mine.model().embed.weight, usual.model().embed.weight)
    assert Recipe.parse(mine.recipe).train.loss.share == 0.2


def test_a_loss_may_give_one_number_per_example_and_count_as_it_likes(recipe, data, tmp_path):
    class PerRow(Loss):
        def nats(self, model, batch):
            return model(batch.ids, targets=batch.targets).mean(1)

        def counted(self, batch):
            return len(batch.ids)

    ours, usual = trainer(recipe, data, tmp_path / "a", loss=PerRow()), trainer(recipe, data, tmp_path / "b")
    assert ours.update(0)[0] == pytest.approx(usual.update(0)[0], rel=1e-5)  # all rows are equally long
    assert ours.tokens == 8 and usual.tokens == 8 * 32


def test_an_evaluation_gives_the_loss_and_the_bits_of_the_next_token_whatever_the_loss(tmp_path):
    (tmp_path / "smoothed.py").write_text(SMOOTHED)
    model = GPT(GPTConfig(vocab_size=32, n_layer=1, n_embd=8, n_head=2), seed=1)
    ids = torch.arange(24).reshape(2, 12) % 32
    targets = ids.roll(3, 1)
    targets[0, :5] = IGNORED
    batch, bytes_of = Batch(ids, targets), byte_lengths([b"abc"] * 32)
    smoothed = Loss.named(str(tmp_path / "smoothed.py"), share=0.5)
    found, usual = (evaluate(model, [batch], bytes_of, Precision("fp32", CPU), loss) for loss in (smoothed, NextToken()))
    assert found["bpb"] == usual["bpb"] and found["tokens"] == usual["tokens"] == 19
    assert found["loss"] != usual["loss"] == pytest.approx(usual["bpb"] * 3 * 0.693147, rel=1e-5)
    uniform = torch.nn.functional.cross_entropy(model(ids).flatten(0, 1), targets.flatten(), label_smoothing=0.5)
    assert found["loss"] == pytest.approx(uniform.item(), rel=1e-5)


def test_bits_per_byte_are_those_of_the_next_token_for_a_subclass_of_its_loss_too():
    class Tenfold(NextToken):
        def nats(self, model, batch):
            return 10 * super().nats(model, batch)

    model, ids = GPT(GPTConfig(vocab_size=7, n_embd=8, n_head=2, n_layer=1)), torch.randint(7, (2, 6))
    batch, bytes_of, precision = Batch(ids, ids.roll(-1, 1)), torch.ones(7, dtype=torch.long), Precision("fp32", CPU)
    plain, tenfold = (evaluate(model, [batch], bytes_of, precision, loss) for loss in (NextToken(), Tenfold()))
    assert tenfold["bpb"] == pytest.approx(plain["bpb"]) and tenfold["loss"] == pytest.approx(10 * plain["loss"])
