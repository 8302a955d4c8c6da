"""Budgets are equal: steps, FLOPs and time are counted or measured, each model once."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from torch.utils.flop_counter import FlopCounterMode

from glassformer.errors import Stopped
from glassformer.lab import compare
from glassformer.lab.compare.budget import Cost, cost, equal_steps
from glassformer.lab.compare.design import Design
from glassformer.model.gpt import GPT
from glassformer.recipes import build
from glassformer.recipes.presets import mini
from glassformer.runs.run import Run
from glassformer.train.trainer import Trainer

from ...model.formula import flops_per_token
from .questions import QUESTION, SMALL, ask

pytestmark = pytest.mark.usefixtures("workshop")


def test_budgets_are_equal():
    one, two = Cost(1000, 64, 3e6, 0.0), Cost(1000, 128, 9e6, 0.0)
    assert equal_steps("steps", 100, one, two, None) == 50
    assert equal_steps("flops", 100, one, two, None) == 33
    assert equal_steps("time", 100, one, two, (0.1, 0.025)) == 400
    assert equal_steps("flops", 1, one, two, None) == 1


def test_flops_are_those_of_the_formula_for_full_attention():
    recipe = mini().override(*SMALL, "model.mlp=gelu", "model.n_layer=2", "train.optimizer=adamw")
    data = build.dataset(recipe, lambda *told: None)
    model = GPT(recipe.model.model_copy(update={"vocab_size": data.tokenizer.vocab_size}))
    found = cost(recipe, data, "fp32")
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert found.flops_per_step == pytest.approx(flops_per_token(model, 16) * found.tokens_per_step, rel=0.1)


def test_the_products_of_muon_are_counted_once_a_step():
    recipe = mini().override(*SMALL, "model.n_layer=5", "train.grad_accumulation=3")
    data = build.dataset(recipe, lambda *told: None)
    muon, adamw = (cost(recipe.override(f"train.optimizer={name}"), data, "fp32") for name in ("muon", "adamw"))
    model = GPT(recipe.model)
    matrices = [p for n, p in model.named_parameters() if n.startswith("blocks.") and p.ndim == 2]
    with FlopCounterMode(display=False) as counter:
        for matrix in matrices:
            model.kernels.newton_schulz(matrix[None].detach())
    assert counter.get_total_flops() > 0
    assert muon.flops_per_step - adamw.flops_per_step == pytest.approx(counter.get_total_flops())


def test_steps_of_equal_flops_are_trained():
    design, _ = ask(replace(QUESTION, against=("model.n_embd=32",), budget="flops", seeds=1), "flops")
    small, wide = design.entries
    assert wide.steps < small.steps == 6
    assert wide.flops == pytest.approx(small.flops, abs=0.5 * wide.flops / wide.steps)  # half a step
    assert Run.open(Path("runs/flops") / f"{wide.name}-1337").metrics("train")[-1]["step"] == wide.steps


def test_time_budgets_and_minutes_are_measured_here():
    question = replace(QUESTION, against=("model.n_embd=32",), budget="time", seeds=1, minutes=0.002)
    design, _ = ask(question, "time")
    seconds = [entry.steps * (entry.step_seconds or 0) for entry in design.entries]
    assert seconds == pytest.approx([0.12, 0.12], rel=0.5)
    assert Design.load(Path("runs/time")) == design


@pytest.mark.parametrize("done", [0, 8])
def test_a_measurement_that_is_stopped_stops_the_comparison(done, monkeypatch):
    real = Trainer.update

    def stopping(self, *given):
        if self.done == done:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, *given)

    monkeypatch.setattr(Trainer, "update", stopping)
    with pytest.raises(Stopped):
        ask(replace(QUESTION, seeds=1, budget="time"), "unmeasured")
    assert not Path("runs/unmeasured").exists()


def test_every_model_is_weighed_once_and_in_its_precision(monkeypatch):
    weighed, real = [], cost

    def weighing(recipe, data, precision):
        weighed.append(precision)
        return real(recipe, data, precision)

    monkeypatch.setattr(compare.budget, "cost", weighing)
    ask(replace(QUESTION, against=("train.precision=bf16",), seeds=1), "weighed")
    assert weighed == ["fp32", "bf16"]
