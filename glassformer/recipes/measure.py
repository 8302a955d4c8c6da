"""What a run decides by measuring before it starts: the precision, and about how many steps fit into a time."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from glassformer.data.batches import Batch
from glassformer.data.pace import Pace
from glassformer.errors import SettingError
from glassformer.recipes.build import Parts, Say
from glassformer.recipes.division import Division
from glassformer.recipes.presets import Recipe
from glassformer.system.command import typed
from glassformer.train.budget import FIRST, Budget
from glassformer.train.memory import out_of_memory
from glassformer.train.precision import Precision, choose
from glassformer.train.ranks import Ranks

Trial = Callable[[Precision], None]
"""One forward and backward pass."""
LOOKS = 6
"""How often a run with a time limit evaluates, samples and saves, unless the settings say otherwise."""

LOOK = 5
"""An evaluation with its sample takes about as long as so many steps: a guess that is used until both were measured."""


@dataclass(frozen=True)
class Limit:
    """The time that a training may take."""

    minutes: float
    since: float
    """When the time began, by the clock: what comes before the first step (measuring, building the model) counts."""
    most: int | None = None
    """Steps that are made at most, even if more would fit."""
    free: float = 0
    """The time of so many evaluations with their samples is kept for what follows the training."""
    least: float = 0
    """Seconds that the training gets even if nothing is left."""


@dataclass(frozen=True)
class Choices:
    """What a run decided. A resumed run reads it from the run folder."""

    recipe: Recipe
    """With the number of steps that fit, as far as it is known before the first."""
    precision: str
    why: str
    """Why this precision, in one sentence."""
    pace: Pace
    budget: Budget | None = None
    """What is left of the time limit; None without one."""
    division: Division | None = None
    """How the batch was divided for the memory; None without a limit. The recipe has it already."""


def measure(
    parts: Parts, limit: Limit | None, say: Say, told: Collection[str] = (), clock: Callable[[], float] = time.perf_counter
) -> Choices:  # fmt: skip
    """Try a pass in each possible precision and take the fastest; with a `limit`, estimate the steps that fit into it.

    A model or a setting that cannot take a step fails here, before there is a run folder. `told` are the paths of the
    settings that the user has given.
    """
    recipe, device, trial = parts.recipe, parts.model.device, trial_of(parts)
    precision, why = choose(recipe.train.precision, device, trial)
    trial(Precision(precision, device))
    budget = None
    if limit is not None:
        passes = recipe.train.grad_accumulation * recipe.train.growth(Pace.even(recipe.train.steps)).ahead(0)
        a_step = 1.15 * _a_pass(trial, Precision(precision, device), clock) * passes
        left = max(60 * limit.minutes - (clock() - limit.since), limit.least + (1 + LOOK * limit.free) * a_step)
        budget = Budget(left, limit.most, limit.free)
        recipe = fit(recipe, budget, a_step, told, say)
    asked, warmup = recipe.train.schedule.warmup_steps, recipe.train.schedule.warmup(recipe.train.steps)
    if asked is not None and warmup != asked:
        say(f"a warmup of {asked:,} steps does not fit into a run of {recipe.train.steps:,}; it takes {warmup} steps")
    return Choices(recipe, precision, why, Pace.even(recipe.train.steps), budget)


def trial_of(parts: Parts) -> Trial:
    """One forward and backward pass of a micro-batch of the last step, whose rows are the longest; no gradient is left."""
    batch, config, ranks = small_batch(parts), parts.recipe.train, Ranks(parts.world.mesh)

    def trial(precision: Precision) -> None:
        micro = batch.to(precision.device)
        if ranks.can_generate:
            with precision.autocast():
                loss = parts.loss.nats(parts.called, micro).mean()
            loss.backward()
        else:  # the stages of a pipeline compute different micro-batches at a time
            given = [(micro.ids, micro.targets, micro.documents)] * ranks.passes(config.grad_accumulation)
            parts.called.passes(given, lambda nats, i: nats.mean(), precision.autocast)  # type: ignore[operator]
        parts.model.zero_grad(set_to_none=True)

    return trial


def small_batch(parts: Parts) -> Batch:
    """A micro-batch of the last step. Raises SettingError if a sampler of the user's own gives no Batch."""
    config = parts.recipe.train
    batch: Any = parts.batches(config.steps - 1)
    if not isinstance(batch, Batch):
        raise SettingError(f"the sampler {config.sampler.name} gives a {type(batch).__name__} for a step, not a Batch")
    ranks = Ranks(parts.world.mesh)
    return next(ranks.parts(batch, ranks.passes(config.accumulation(Pace.even(config.steps), config.steps - 1))))


def _a_pass(trial: Trial, precision: Precision, clock: Callable[[], float]) -> float:
    """Seconds of a pass: the median of a few."""
    times: list[float] = []
    for _ in range(3):
        start = clock()
        trial(precision)
        times.append(clock() - start)
    return sorted(times)[1]


def fit(recipe: Recipe, budget: Budget, a_step: float, told: Collection[str], say: Say) -> Recipe:
    """The recipe with the number of steps of `a_step` seconds that fit into the budget: a first estimate, which the
    training corrects (train/budget.py). What happens every so many steps becomes a share of the run, unless told."""
    steps = max(FIRST + 1, round(budget.seconds / a_step - LOOK * budget.free))
    if budget.most is not None and steps > budget.most:
        steps = budget.most
        say(f"{steps:,} steps take about {steps * a_step:.0f} seconds here and are enough for this text; the rest of the "
            "time is not needed (train.steps=N trains longer)")  # fmt: skip
    else:
        say(f"{1000 * a_step:.0f} ms a step: about {steps:,} steps fit; training adapts the number to end on time")
    settings = [f"train.steps={steps}"]
    settings += [
        f"train.{name}={1 / LOOKS}"
        for name in ("eval_every", "sample_every", "checkpoint_every")
        if f"train.{name}" not in told and getattr(recipe.train, name) >= 1
    ]
    if (recipe.train.schedule.warmup_steps or 0) > steps // 2:  # it was meant for a longer run
        settings.append(f"train.schedule.warmup_steps={steps // 10}")
        say(f"the warmup takes {steps // 10} steps: {recipe.train.schedule.warmup_steps:,} would be over half of the run")
    return recipe.override(*settings)


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Turn running out of memory into a SettingError with the remedies."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not out_of_memory(error):
            raise
        raise SettingError(
            "there is not enough memory for a step: set train.memory_gb=auto, which divides the batch so that it fits, or "
            "train.checkpoint_activations=1, or lower model.context_length or the size of the model; "
            f"`{typed('plan')}` with the same settings says what fits"
        ) from error
