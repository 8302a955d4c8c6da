"""Pace: how far a run is at each of its steps.

Whatever changes over a run (the learning rate, the shares of a mixture, the lengths of rows, the moments of evaluation)
depends on its progress, a number from 0 to 1. In a run of N steps it is step / N. A run that has to end at a certain time
cannot know N beforehand: it measures its speed while it trains, and now and then decides anew how many steps still fit.
From that step on, progress grows evenly to reach 1 at the new end. So progress is a piecewise linear function of the
step; `legs` are its straight pieces.

A schedule that counts steps (a warmup) needs the progress in steps: `position` is the step at which an even run of as many
steps as were known then is equally far. A decision changes nothing about the steps before it, to the last bit. It is
written into the run's log (an event `plan`) before it takes effect, so a resumed run that repeats these steps follows the
same decisions.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

TOUCHES = 1e-9
"""Progress this close to the end of an interval counts as having reached it: it is a sum of rounded numbers."""


class Leg(NamedTuple):
    """From `step` on, the position goes evenly from `position` to `to_position` at `to_step`, in a run of `steps` steps."""

    step: int
    position: float
    to_step: int
    to_position: float
    steps: int


@dataclass(frozen=True)
class Pace:
    """Progress as a function of the step."""

    legs: tuple[Leg, ...]
    """By step; each holds until the next, the last until its end, which is the end of the run."""

    @classmethod
    def even(cls, steps: int) -> "Pace":
        """Of a run that has `steps` steps from the beginning."""
        return cls((Leg(0, 0.0, steps, float(steps), steps),))

    @classmethod
    def logged(cls, steps: int, events: Iterable[dict[str, Any]]) -> "Pace":
        """Of a run that began with `steps` steps and has the decisions among these events, in the order of the log."""
        pace = cls.even(steps)
        for event in events:
            if event.get("what") == "plan":
                pace = pace.then([Leg(*leg) for leg in event["legs"]])
        return pace

    @property
    def steps(self) -> int:
        """The number of steps of the whole run, as far as it is known now."""
        return self.legs[-1].steps

    @property
    def decided(self) -> int:
        """The step of the last decision: everything up to it is history."""
        return self.legs[-1].step

    def then(self, legs: list[Leg]) -> "Pace":
        """The same up to the step of the first of these legs, and from there along them."""
        return Pace((*(leg for leg in self.legs if leg.step < legs[0].step), *legs))

    def ending(self, step: int, steps: int) -> list[Leg]:
        """A decision at `step`: from its progress evenly to the end of a run of `steps`."""
        return [Leg(step, self.progress(step) * steps, steps, float(steps), steps)]

    def progress(self, step: int) -> float:
        """How far the run is after `step` updates, from 0 to 1."""
        return self.position(step) / self.known(step)

    def position(self, step: Any) -> Any:
        """The step at which an even run of `known(step)` steps has the same progress; for one step or an array of them.

        In an even run this is exactly `step`.
        """
        return self._at(step, _position)

    def known(self, step: Any) -> Any:
        """How many steps the run had as far as was known at `step`; for one step or an array of them."""
        return self._at(step, lambda leg, step: leg.steps)

    def _at(self, step: Any, formula: Callable[[Leg, Any], Any]) -> Any:
        """`formula(leg, step)` with the leg of the step, or of each step of an array (n,)."""
        if not isinstance(step, np.ndarray):
            return formula(next(leg for leg in reversed(self.legs) if leg.step <= step), step)
        found = np.zeros(len(step))
        for leg in self.legs:
            later = step >= leg.step
            found[later] = formula(leg, step[later])
        return found

    def due(self, step: int, every: float) -> bool:
        """Whether something that happens every `every` steps happens after `step` updates; below 1, `every` is a share
        of the run."""
        if every >= 1:
            return step % every == 0
        return every > 0 and (step == 0 or self._intervals(step, every) > self._intervals(step - 1, every))

    def remaining(self, step: int, every: float) -> int:
        """How often it will happen after more than `step` updates, the end of the run not counted."""
        if every >= 1:
            return max(0, (self.steps - 1) // int(every) - step // int(every))
        return _within(every) - self._intervals(step, every) if every > 0 else 0

    def _intervals(self, step: int, every: float) -> int:
        """How many intervals lie behind the run; the one that its end completes is not counted."""
        return min(math.floor(self.progress(step) / every + TOUCHES), _within(every))


def _within(every: float) -> int:
    """How many intervals of a share `every` end before the run does."""
    return math.ceil(1 / every - TOUCHES) - 1


def _position(leg: Leg, step: Any) -> Any:
    gone = np.minimum(step, leg.to_step) - leg.step if isinstance(step, np.ndarray) else min(step, leg.to_step) - leg.step
    return leg.position + (leg.to_position - leg.position) * gone / (leg.to_step - leg.step)
