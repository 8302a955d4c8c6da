"""Warmup, then the peak rate until the end: for experiments whose length is not known beforehand."""

from glassformer.train.schedule import Schedule


class Constant(Schedule):
    """factor = 1 after the warmup."""

    def after_warmup(self, progress: float) -> float:
        """Always 1."""
        return 1.0
