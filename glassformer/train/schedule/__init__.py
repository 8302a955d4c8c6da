"""Schedule: how the learning rate changes over a run, as a factor of its peak."""

import abc

from pydantic import NonNegativeInt

from glassformer.config import Variant

USUAL_WARMUP = 100
"""Warmup steps when a recipe does not set any."""


class Schedule(Variant):
    """`factor(step, steps)` is in [0, 1]; every variant begins with a linear warmup."""

    warmup_steps: NonNegativeInt | None = None
    """Steps in which the learning rate grows to its peak; null for 100, or a tenth of a run of fewer than 1,000 steps."""

    def warmup(self, steps: int) -> int:
        """How many warmup steps a run of `steps` has: as many as were set, if the run is longer than that.

        A recipe that is shortened below its own warmup (GPT-2's is 2,000 steps) would never reach its peak; it warms up
        for a tenth of its steps, like a run whose recipe sets no warmup.
        """
        if self.warmup_steps is not None and self.warmup_steps < steps:
            return self.warmup_steps
        return min(USUAL_WARMUP if self.warmup_steps is None else self.warmup_steps, steps // 10)

    def factor(self, step: float, steps: int) -> float:
        """The factor at `step`, counted from 0, of a run of `steps`. From step `steps` on it keeps its last value.

        A run that decides its length while it trains gives its position (data/pace.py), which may lie between two steps.
        """
        warmup = self.warmup(steps)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return self.after_warmup(1.0 if step >= steps else (step - warmup) / (steps - warmup))

    @abc.abstractmethod
    def after_warmup(self, progress: float) -> float:
        """The factor after the warmup; `progress` goes from 0 at the end of the warmup to 1 at the end of the run."""

    def decays_from(self, steps: int) -> float | None:
        """The step up to which the rate of a run of `steps` does not depend on `steps`, apart from its warmup, because it
        is at its peak; None if there is no such part.

        The checkpoint of this step is kept, and `glass extend` goes on from it (`wsd` has one).
        """
        return None
