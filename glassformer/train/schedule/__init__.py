"""Schedule: how the learning rate changes over a run, as a factor of its peak."""

import abc

from pydantic import NonNegativeInt

from glassformer.config import Variant


class Schedule(Variant):
    """`factor(step, steps)` is in [0, 1]; every variant begins with a linear warmup."""

    warmup_steps: NonNegativeInt = 100
    """Steps over which the rate grows from 0 to its peak, while AdamW's running means are still poor estimates."""

    def factor(self, step: int, steps: int) -> float:
        """The factor at `step` (from 0) of a run of `steps`. A run shorter than ten warmups warms up for a tenth."""
        warmup = min(self.warmup_steps, steps // 10)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return self.after_warmup((step - warmup) / max(1, steps - warmup))

    @abc.abstractmethod
    def after_warmup(self, progress: float) -> float:
        """The factor when `progress` (0 to 1) of what follows the warmup is done."""
