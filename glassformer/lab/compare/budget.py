"""Equal budgets: how many steps each model gets.

    steps    tokens of the baseline's run / tokens in a step of this model
    flops    FLOPs of the baseline's run / FLOPs in a step, the optimizer's included (counted as `glass plan` does)
    time     seconds of the baseline's run / seconds of a step, the optimizer included (measured on this machine)
"""

import statistics
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassformer.data.shards import Dataset
from glassformer.errors import Stopped
from glassformer.lab.compare.design import Budget
from glassformer.lab.plan.trace import grown, peak, traced
from glassformer.model.parameters import parameters_by_part
from glassformer.recipes import launch
from glassformer.recipes.build import sized
from glassformer.recipes.presets import Recipe
from glassformer.runs.run import Run

STOPPED = "stopped; what was trained so far is saved, and the same command continues"
PROBED = 12
"""Steps of a speed measurement; the first quarter is a warm-up and does not count."""


@dataclass(frozen=True)
class Cost:
    """What the model of a recipe costs to train."""

    parameters: int
    tokens_per_step: int
    flops_per_step: float
    memory: float
    """Peak bytes of tensors."""


def cost(recipe: Recipe, data: Dataset, precision: str) -> Cost:
    """The cost of a recipe, counted on a step of fake tensors, which compute and allocate nothing. If a part of the
    model looks at the values of its tensors, a real step is made instead."""
    recipe = sized(recipe, data)
    traces = traced(recipe, precision, may_compute=True)
    tokens = round(recipe.train.mean_batch_size * recipe.model.context_length)
    flops = grown(traces, recipe, lambda t: t.flops / t.tokens) * tokens + grown(traces, recipe, lambda t: t.update_flops)
    return Cost(sum(parameters_by_part(recipe.model).values()), tokens, flops, peak(traces, recipe))


def probe(recipe: Recipe, data: Dataset, steps: int = PROBED) -> tuple[str, float]:
    """(precision, seconds per step), measured in a short run that leaves no files behind. Raises Stopped."""
    short = recipe.override(
        f"train.steps={steps}", "train.log_every=1", "train.eval_every=1000", "train.sample_every=0",
        "train.checkpoint_every=1000", f"train.eval_tokens={recipe.model.context_length}",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        if launch.train(short, data, Path(folder), say=lambda line: None, watching=unwatched) == "interrupted":
            raise Stopped(STOPPED)
        run = Run.open(Path(folder))
        speeds = [line["tokens_per_s"] for line in run.metrics("train")]
        tokens = short.train.mean_batch_size * recipe.model.context_length
        return run.facts()["precision"]["chosen"], tokens / statistics.median(speeds[steps // 4 :])


def unwatched(steps: int, done: int) -> Any:
    """Show no progress: for `launch.train` where nobody watches."""
    return nullcontext(lambda line: None)


def equal_steps(
    budget: Budget, steps: int, baseline: Cost, other: Cost, times: tuple[float, float] | None
) -> int:  # fmt: skip
    """How many steps of `other` cost as much as `steps` of the baseline; `times` are the seconds per step of the
    two."""
    if budget == "steps":
        share = baseline.tokens_per_step / other.tokens_per_step
    elif budget == "flops":
        share = baseline.flops_per_step / other.flops_per_step
    else:
        assert times is not None
        share = times[0] / times[1]
    return max(1, round(steps * share))
