"""Equal budgets: how many steps each model gets.

steps    tokens of the baseline / tokens in a step
flops    FLOPs of the baseline / FLOPs in a step, counted on a step of fake tensors (`glass plan`), the optimizer's included
time     seconds of the baseline / seconds of a step, measured here, optimizer included
"""

import statistics
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassformer.data.shards import Dataset
from glassformer.lab.compare.design import Budget
from glassformer.lab.plan.trace import grown, peak, traced
from glassformer.model.cost import parameters_by_part
from glassformer.recipes import launch
from glassformer.recipes.build import sized
from glassformer.recipes.presets import Recipe
from glassformer.runs.run import Run

PROBED = 12
"""Steps of a measurement; the first quarter warms up and is not counted."""


class Stopped(Exception):
    """Ctrl-C: what was trained is saved."""


@dataclass(frozen=True)
class Cost:
    """What a model of a recipe takes."""

    parameters: int
    tokens_per_step: int
    flops_per_step: float
    memory: float
    """Bytes of tensors at the worst moment."""


def cost(recipe: Recipe, data: Dataset, precision: str) -> Cost:
    """Counted on fake tensors that allocate nothing; in a real step if a part looks at its numbers."""
    recipe = sized(recipe, data)
    traces = traced(recipe, precision, may_compute=True)
    tokens = recipe.train.batch_size * recipe.model.context_length
    flops = grown(traces, recipe, lambda t: t.flops / t.tokens) * tokens + grown(traces, recipe, lambda t: t.update_flops)
    return Cost(sum(parameters_by_part(recipe.model).values()), tokens, flops, peak(traces, recipe))


def probe(recipe: Recipe, data: Dataset, steps: int = PROBED) -> tuple[str, float]:
    """(precision, seconds of a step) from a short run that leaves nothing behind. Raises Stopped."""
    short = recipe.override(
        f"train.steps={steps}", "train.log_every=1", "train.eval_every=1000", "train.sample_every=0",
        "train.checkpoint_every=1000", f"train.eval_tokens={recipe.model.context_length}",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        if launch.train(short, data, Path(folder), say=lambda line: None, watching=unwatched) == "interrupted":
            raise Stopped
        run = Run.open(Path(folder))
        speeds = [line["tokens_per_s"] for line in run.metrics("train")]
        tokens = recipe.train.batch_size * recipe.model.context_length
        return run.facts()["precision"]["chosen"], tokens / statistics.median(speeds[steps // 4 :])


def unwatched(steps: int, done: int) -> Any:
    """Nobody looks."""
    return nullcontext(lambda line: None)


def equal_steps(
    budget: Budget, steps: int, baseline: Cost, other: Cost, times: tuple[float, float] | None
) -> int:  # fmt: skip
    """The steps of `other` that take as much as `steps` of the baseline; `times` are the seconds of their steps."""
    if budget == "steps":
        share = baseline.tokens_per_step / other.tokens_per_step
    elif budget == "flops":
        share = baseline.flops_per_step / other.flops_per_step
    else:
        assert times is not None
        share = times[0] / times[1]
    return max(1, round(steps * share))
