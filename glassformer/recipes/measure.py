"""What a run decides by measuring, once, before it starts: the precision, and the number of steps that fit into a time."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from glassformer.data.batches import Batch
from glassformer.errors import SettingError
from glassformer.recipes.build import Parts, Say
from glassformer.recipes.presets import Recipe
from glassformer.system.command import typed
from glassformer.train.precision import Precision, choose

Trial = Callable[[Precision], None]
"""One forward and backward pass."""


@dataclass(frozen=True)
class Choices:
    """What a run decided. A resumed run reads it from the run folder."""

    recipe: Recipe
    """With the number of steps that fit."""
    precision: str
    why: str
    """Why this precision, in one sentence."""


def measure(parts: Parts, minutes: float | None, say: Say) -> Choices:
    """Try a pass in each possible precision and take the fastest; with `minutes`, choose the steps that fit into them.

    A model or a setting that cannot take a step fails here, before there is a run folder.
    """
    recipe, device, trial = parts.recipe, parts.model.device, trial_of(parts)
    precision, why = choose(recipe.train.precision, device, trial)
    trial(Precision(precision, device))
    if minutes is not None:
        recipe = fit(recipe, trial, Precision(precision, device), minutes * 60, say)
    asked, warmup = recipe.train.schedule.warmup_steps, recipe.train.schedule.warmup(recipe.train.steps)
    if asked is not None and warmup != asked:
        say(f"a warmup of {asked:,} steps does not fit into a run of {recipe.train.steps:,}; it takes {warmup} steps")
    return Choices(recipe, precision, why)


def trial_of(parts: Parts) -> Trial:
    """One forward and backward pass of a micro-batch of the last step, whose rows are the longest; no gradient is left."""
    batch = small_batch(parts)

    def trial(precision: Precision) -> None:
        micro = batch.to(precision.device)
        with precision.autocast():
            loss = parts.loss.nats(parts.model, micro).mean()
        loss.backward()
        parts.model.zero_grad(set_to_none=True)

    return trial


def small_batch(parts: Parts) -> Batch:
    """A micro-batch of the last step. Raises SettingError if a sampler of the user's own gives no Batch."""
    config = parts.recipe.train
    batch: Any = parts.batches(config.steps - 1)
    if not isinstance(batch, Batch):
        raise SettingError(f"the sampler {config.sampler.name} gives a {type(batch).__name__} for a step, not a Batch")
    return next(batch.parts(config.grad_accumulation))


def fit(recipe: Recipe, trial: Trial, precision: Precision, seconds: float, say: Say) -> Recipe:
    """The recipe with the number of steps that fit into `seconds`, from the measured speed of this machine."""
    times: list[float] = []
    while len(times) < 5 or sum(times) < min(4, seconds / 40):  # a shared machine is slow for a second now and then
        start = time.perf_counter()
        trial(precision)
        times.append(time.perf_counter() - start)
    a_pass = sorted(times)[len(times) // 2]
    a_step = 1.15 * a_pass * recipe.train.grad_accumulation  # with the optimizer, evaluations and samples
    every = max(4, round(seconds / a_step / 6))
    steps = 6 * every
    say(f"{1000 * a_step:.0f} ms a step: {steps:,} steps fit into {seconds / 60:.1f} minutes")
    shorter = []
    if (recipe.train.schedule.warmup_steps or 0) > steps // 2:  # it was meant for a longer run
        shorter = [f"train.schedule.warmup_steps={steps // 10}"]
        say(f"the warmup takes {steps // 10} steps: {recipe.train.schedule.warmup_steps:,} would be over half of the run")
    return recipe.override(
        f"train.steps={steps}", f"train.eval_every={every}", f"train.sample_every={every}",
        f"train.checkpoint_every={every}", *shorter,
    )  # fmt: skip


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Turn running out of memory into a SettingError with the remedies."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise SettingError(
            "there is not enough memory for a step: lower train.micro_batch_size (and raise train.grad_accumulation), "
            f"model.context_length or the size of the model; `{typed('plan')}` with the same settings says what fits"
        ) from error
