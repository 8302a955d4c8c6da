"""Warmup, stable, decay (Hu et al., 2024, "MiniCPM"; Hägele et al., 2024, "Scaling laws and compute-optimal training
beyond fixed training durations").

After the warmup the rate stays at its peak, and falls only in the last part of the run. While it is at its peak nothing
depends on the length of the run: the checkpoint from before the decay can be trained on to any number of steps, at the
price of one decay each (`glass extend`). A cosine run of half the length is no part of a run of the whole length.
"""

import math
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from glassformer.train.schedule import Schedule

SHAPES: dict[str, Callable[[float], float]] = {
    "linear": lambda fallen: 1 - fallen,
    "sqrt": lambda fallen: 1 - math.sqrt(fallen),
    "cosine": lambda fallen: (1 + math.cos(math.pi * fallen)) / 2,
}
"""What is left of the fall, from 1 to 0, when a share `fallen` of the decay is over."""


class WSD(Schedule):
    """factor = 1, and in the decay min_lr_ratio + (1 - min_lr_ratio) shape(share of the decay that is over)."""

    decay: float = Field(default=0.2, gt=0, le=1)
    """The share of the steps after the warmup in which the learning rate falls; 0.1 to 0.2 is usual."""
    shape: Literal["linear", "sqrt", "cosine"] = "sqrt"
    """How it falls: along a line, as 1 - sqrt (fast at first; the best of Hägele et al.), or along half a cosine."""
    min_lr_ratio: float = Field(default=0.0, ge=0, le=1)
    """The last learning rate of the run, as a share of the peak."""

    def after_warmup(self, progress: float) -> float:
        """1 up to 1 - `decay`, and from there down to `min_lr_ratio`."""
        fallen = max(0.0, 1 - (1 - progress) / self.decay)
        return self.min_lr_ratio + (1 - self.min_lr_ratio) * SHAPES[self.shape](fallen)

    def decays_from(self, steps: int) -> float:
        """The step at which a run of `steps` begins its decay."""
        warmup = self.warmup(steps)
        return warmup + (1 - self.decay) * (steps - warmup)
