"""Budget: ends a training on time. It measures how long everything takes, and decides how many steps still fit.

    steps that fit = (time left - time kept free - evaluations, samples and checkpoints still to come) / time of a step

The demo keeps time free for the score that follows the training. The score reads and writes, as an evaluation with its
sample does, so it is measured in these: it takes longer on a slower machine, as they do.

The time of a step is a mean in which a step counts less the longer ago it was, so the estimate follows a machine that
becomes slower or faster. A decision is made after the first few steps, then at every fiftieth of the time, and more and
more often near the end. It is only taken (train/trainer.py writes it down) if it changes what is left by over 1 %.
"""

import math
from collections.abc import Iterable
from typing import Any

from glassformer.data.pace import Pace

FIRST = 4
"""Steps before the first decision, so an estimate made before has at least one more."""
PARTS = 50
"""A decision is considered at every such part of the time."""
MEMORY = 16
"""Within this part of the time a step loses all but 37 % of its weight."""


class Budget:
    """The time of one training: `seconds` in all, over all resumes; `most` steps even if more would fit; and the time of
    `free` evaluations with their samples is left when it ends."""

    def __init__(self, seconds: float, most: int | None = None, free: float = 0) -> None:
        self.seconds, self.most, self.free = seconds, most, free
        self.spent, self.counted = 0.0, 0.0  # weighted: seconds of the steps, and how many whole batches they have read
        self.taken = 0  # steps measured
        self.pauses: dict[str, float] = {}  # seconds of the latest evaluation, sample and checkpoint
        self.considered = 0.0  # seconds of training at the last decision

    @classmethod
    def logged(cls, events: Iterable[dict[str, Any]]) -> "Budget | None":
        """Of a run with these events: that of the last decision that speaks of time. None if there is no limit."""
        limits = [event for event in events if event.get("what") == "plan" and "budget" in event]
        return cls(**limits[-1]["budget"]) if limits and limits[-1]["budget"] else None

    def step_took(self, seconds: float, share: float = 1.0) -> None:
        """One step, which read a `share` of a whole batch, took so long, pauses not counted."""
        kept = math.exp(-seconds * MEMORY / self.seconds)
        self.spent, self.counted = kept * self.spent + seconds, kept * self.counted + share
        self.taken += 1

    def pause_took(self, kind: str, seconds: float) -> None:
        """An evaluation, a sample or a checkpoint took so long."""
        self.pauses[kind] = seconds

    def is_due(self, seconds: float) -> bool:
        """Whether to decide again after `seconds` of training."""
        if self.taken < FIRST:
            return self.taken > 0 and seconds >= self.seconds
        left = self.seconds - seconds - self._kept_free()
        every = min(self.seconds / PARTS, max(0.0, left) / 4)
        return self.taken == FIRST or seconds - self.considered >= every

    def steps(self, step: int, seconds: float, pace: Pace, every: dict[str, float], ahead: float = 1.0) -> int:
        """How many steps the run should have, decided after `step` of them and `seconds`. `every` says how often each
        kind of pause comes; all of them come once more at the end. The steps to come read a share `ahead` of a whole
        batch on average (data/growth.py)."""
        self.considered = seconds
        coming = sum(took * (1 + pace.remaining(step, every[kind])) for kind, took in self.pauses.items())
        left = self.seconds - seconds - self._kept_free() - coming
        fitting = step + max(1, round(left * self.counted / self.spent / ahead))
        fitting = fitting if self.most is None else max(step + 1, min(fitting, self.most))
        return fitting if abs(fitting - pace.steps) > 0.01 * (pace.steps - step) else pace.steps

    def decision(self, step: int, seconds: float, pace: Pace, every: dict[str, float], ahead: float = 1.0) -> int:
        """`steps`, if it is time to decide; 0 if it is not, or if these steps are repeated and were decided before."""
        steps = self.steps(step, seconds, pace, every, ahead) if self.is_due(seconds) else 0
        return steps if step > pace.decided else 0

    def _kept_free(self) -> float:
        """Seconds."""
        return self.free * (self.pauses.get("eval", 0.0) + self.pauses.get("sample", 0.0))

    def limits(self) -> dict[str, Any]:
        """What it was made with, for the run's log."""
        return {"seconds": self.seconds, "most": self.most, "free": self.free}

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to decide as this one would: plain numbers, for `state.json`."""
        return {name: value for name, value in vars(self).items() if name not in self.limits()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` gave."""
        vars(self).update(state)
