"""`glass find-lr`: at which learning rate does the loss fall fastest? (Smith, 2017, "Cyclical learning rates for training
neural networks", section 3.3; Smith, 2018, arXiv 1803.09820.)

One short training, in which the learning rate grows by the same factor at every step. At first it is too low and nothing
happens; then the loss falls; in the end it is too high and the loss rises again, which stops the ramp.

    loss(i)      smoothed over SMOOTH of the steps on both sides, so that the curve is not delayed
    rate         where d loss / d log(rate) is most negative (the rule of steepest descent)
    a tenth      of the rate of the lowest loss: the other usual rule, shown beside it

What such a rule is worth: it looks at a few hundred steps of an untrained model without a decay. It finds the order of
magnitude, and it cannot know the rate with which a whole run ends lowest. `glass compare --tune` measures that.
"""

import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glassformer.data.batches import sequential
from glassformer.data.shards import Dataset
from glassformer.recipes.build import Say, build
from glassformer.recipes.measure import enough_memory, measure
from glassformer.recipes.presets import Recipe
from glassformer.runs.run import Run
from glassformer.train.doctor.diverged import Diverged
from glassformer.train.schedule import Schedule
from glassformer.train.trainer import Trainer

SMOOTH = 0.03
"""Standard deviation of the smoothing kernel, as a share of the steps."""
FEWEST = 30
"""Steps before a ramp may stop, and points that a curve must have."""
FALL = 7.0
"""The loss has fallen if it did so by this many times the noise of the smoothed curve: the lowest of many places lies about
three times the noise below their mean, and the first place, which has neighbours on one side only, has more noise."""
LEAST = 1e-4
"""Nor has it fallen by less than this share of it."""


class Ramp(Schedule):
    """factor = low^(1 - step / (steps - 1)): the rate grows by the same factor at every step, from `low` of the highest."""

    low: float

    def factor(self, step: float, steps: int) -> float:
        """See Schedule; there is no warmup, since the ramp is one."""
        return self.low ** (1 - min(1.0, step / max(1, steps - 1)))

    def after_warmup(self, progress: float) -> float:
        """The same as a function of the progress."""
        return self.low ** (1 - progress)


@dataclass(frozen=True)
class Findings:
    """A ramp and what it shows."""

    rates: list[float]
    losses: list[float]
    """The loss of each step, before its update."""
    diverged: bool
    """Whether the ramp was stopped because the loss had risen to where it began, or was no number any more."""

    @property
    def smooth(self) -> list[float]:
        """The losses, smoothed."""
        return smoothed(self.losses)

    @property
    def lowest(self) -> int:
        """The step of the lowest smoothed loss."""
        return int(np.argmin(self.smooth))

    @property
    def falls(self) -> bool:
        """Whether the loss fell by more than its noise, so that there is anything to find."""
        if len(self.losses) < FEWEST:
            return False
        needed = max(FALL * noise(self.losses), LEAST * abs(self.smooth[0]))
        return self.smooth[0] - self.smooth[self.lowest] > needed

    @property
    def steepest(self) -> float | None:
        """The rate at which the loss falls fastest, before it is lowest; None if it does not fall."""
        if not self.falls:
            return None
        slopes = np.gradient(self.smooth, np.log(self.rates))
        return self.rates[int(np.argmin(slopes[: self.lowest + 1]))]

    @property
    def tenth(self) -> float | None:
        """A tenth of the rate of the lowest loss; None if the loss does not fall."""
        return self.rates[self.lowest] / 10 if self.falls else None


def ramp(step: Callable[[float], float], rates: list[float]) -> Findings:
    """Call `step(rate)`, which makes an update and gives the loss before it, with one rate after another, until the loss
    is no number, or has risen to where it began after it had fallen."""
    losses: list[float] = []
    for rate in rates:
        try:
            loss = step(rate)
        except Diverged:
            loss = math.nan
        if not math.isfinite(loss):
            return Findings(rates[: len(losses)], losses, True)
        losses.append(loss)
        if len(losses) >= FEWEST and _has_risen(losses):
            return Findings(rates[: len(losses)], losses, True)
    return Findings(rates, losses, False)


def rates_between(low: float, high: float, steps: int) -> list[float]:
    """`steps` rates from low to high, each the same factor above the one before."""
    return [high * Ramp(low=low / high).factor(step, steps) for step in range(steps)]


def smoothed(losses: list[float]) -> list[float]:
    """Each loss averaged with its neighbours on both sides, with the weights of a Gaussian."""
    places, values = np.arange(len(losses)), np.array(losses)
    width = max(1.0, SMOOTH * len(losses))
    weights = np.exp(-0.5 * ((places[:, None] - places[None]) / width) ** 2)
    return (weights @ values / weights.sum(1)).tolist()


def noise(losses: list[float]) -> float:
    """The standard deviation that the noise of single losses leaves in the smoothed curve. It is estimated from the
    differences of neighbours, in which a slow fall cancels."""
    return _single(losses) / math.sqrt(2 * math.sqrt(math.pi) * max(1.0, SMOOTH * len(losses)))


def _single(losses: list[float]) -> float:
    """The standard deviation of the noise of one loss."""
    return float(np.median(np.abs(np.diff(losses)))) / 0.954  # of normal differences: 0.6745 sqrt(2) deviations


def _has_risen(losses: list[float]) -> bool:
    """Whether the last five losses are above the first five, by a tenth of the fall between and more than noise does: their
    difference has 0.63 deviations of a single loss."""
    fives = np.convolve(losses, np.ones(5) / 5, "valid")
    return bool(fives[-1] > fives[0] + 0.1 * (fives[0] - fives.min()) + 3.5 * _single(losses))


def find(recipe: Recipe, data: Dataset, low: float, high: float, steps: int, say: Say) -> Findings:
    """The ramp of a recipe's model, optimizer and batches on its dataset, by the Trainer that would train it; nothing is
    kept. Raises SettingError."""
    recipe = recipe.override(f"train.steps={steps}", f"train.learning_rate={high}", "train.sample_every=0")
    with enough_memory(), tempfile.TemporaryDirectory() as folder:
        parts = build(recipe, data, say)
        choices = measure(parts, None, lambda line: None)
        config = recipe.train.model_copy(update={"schedule": Ramp(low=low / high)})
        run = Run.create(Path(folder) / "ramp", recipe.to_json(), {"command": "find-lr"})
        trainer = Trainer(
            parts.model, data.tokenizer, parts.batches,
            lambda: sequential(data.validation, recipe.model.context_length, config.micro_batch_size), config, run,
            recipe_json=recipe.to_json(), precision=choices.precision, loss=parts.loss,
        )  # fmt: skip
        numbers: Iterator[int] = iter(range(steps))
        return ramp(lambda rate: trainer.update(next(numbers))[0], rates_between(low, high, steps))
