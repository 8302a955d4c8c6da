"""Schedule: how the learning rate changes over a run, as a factor of its peak."""

import abc

from pydantic import NonNegativeInt

from glassformer.config import Variant

USUAL_WARMUP = 100
"""Steps, where a recipe names none."""


class Schedule(Variant):
    """`factor(step, steps)` is in [0, 1]; every variant begins with a linear warmup."""

    warmup_steps: NonNegativeInt | None = None
    """Steps over which the rate grows from 0 to its peak, while AdamW's running means are still poor estimates; null for
    100, or for a tenth of a run shorter than a thousand steps."""

    def warmup(self, steps: int) -> int:
        """The warmup of a run of `steps`: as it was set, if the run is longer than that.

        A recipe that is cut to fewer steps than its warmup (GPT-2's is 2,000) would never reach its peak; it warms up for
        a tenth, as a run does whose recipe names no warmup.
        """
        if self.warmup_steps is not None and self.warmup_steps < steps:
            return self.warmup_steps
        return min(USUAL_WARMUP if self.warmup_steps is None else self.warmup_steps, steps // 10)

    def factor(self, step: int, steps: int) -> float:
        """The factor at `step` (from 0) of a run of `steps`."""
        warmup = self.warmup(steps)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return self.after_warmup((step - warmup) / max(1, steps - warmup))

    @abc.abstractmethod
    def after_warmup(self, progress: float) -> float:
        """The factor when `progress` (0 to 1) of what follows the warmup is done."""
