"""Warmup and linear decay (Devlin et al., 2019; decay to zero is best at a fixed budget: Bergsma et al., 2025)."""

from pydantic import Field

from glassformer.train.schedule import Schedule


class Linear(Schedule):
    """factor = 1 - (1 - min_lr_ratio) progress."""

    min_lr_ratio: float = Field(default=0.0, ge=0, le=1)
    """The last learning rate of the run, as a share of the peak."""

    def after_warmup(self, progress: float) -> float:
        """From 1 down to `min_lr_ratio` along a line."""
        return 1 - (1 - self.min_lr_ratio) * progress
