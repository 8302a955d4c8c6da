"""Warmup, then the peak for the rest of the run: for experiments whose length is not known beforehand."""

from glassformer.train.schedule import Schedule


class Constant(Schedule):
    """factor = 1."""

    def after_warmup(self, progress: float) -> float:
        """1."""
        return 1.0
