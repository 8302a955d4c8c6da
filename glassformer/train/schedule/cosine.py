"""Warmup and cosine decay (Loshchilov and Hutter, 2017; Radford et al., 2018)."""

import math

from pydantic import Field

from glassformer.train.schedule import Schedule


class Cosine(Schedule):
    """factor = final + (1 - final) (1 + cos(pi progress)) / 2: slow at both ends, fast in the middle."""

    final: float = Field(default=0.1, ge=0, le=1)
    """The factor at the end of the run."""

    def after_warmup(self, progress: float) -> float:
        """From 1 down to `final` along half a cosine."""
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress))
