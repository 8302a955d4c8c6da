"""Warmup and cosine decay (Loshchilov and Hutter, 2017; Radford et al., 2018)."""

import math

from pydantic import Field

from glassformer.train.schedule import Schedule


class Cosine(Schedule):
    """factor = min_lr_ratio + (1 - min_lr_ratio) (1 + cos(pi progress)) / 2: it falls slowly at both ends."""

    min_lr_ratio: float = Field(default=0.1, ge=0, le=1)
    """The last learning rate of the run, as a share of the peak."""

    def after_warmup(self, progress: float) -> float:
        """From 1 down to `min_lr_ratio` along half a cosine."""
        return self.min_lr_ratio + (1 - self.min_lr_ratio) * 0.5 * (1 + math.cos(math.pi * progress))
