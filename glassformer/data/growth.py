"""Small batches first: the batch grows over the run (McCandlish et al., 2018, "An empirical model of large-batch training";
Brown et al., 2020, appendix B; Smith et al., 2018, "Don't decay the learning rate, increase the batch size").

At the start the gradients of all texts agree, and a small batch shows the direction as well as a large one; later they
differ, and only a large batch averages their noise away. `train.batches=0.25:0.2,0.5:0.3` reads a quarter of a batch in
each of the first fifth of the steps, half a batch in the next three tenths, and whole batches in the rest.

The sampler knows only whole batches. Here each is read in one, two, three ... equal parts, one update each, in the order of
its rows; how many parts is decided when the batch begins, from the progress of the run, and holds until it is read. So the
updates read exactly the rows that whole batches would, in the same order: with `epochs`, every token once in each epoch.
A part of a whole batch is what one of several processes would read of it, so every sampler can do this.
"""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from glassformer.data.batches import Batch, Batches
from glassformer.data.pace import Pace
from glassformer.errors import SettingError


def stages(batches: str) -> list[tuple[int, float]]:
    """What "0.25:0.2,0.5:0.3" means: (parts of a batch, share of the steps), in order. Raises ValueError."""
    found = []
    for stage in filter(None, batches.replace(" ", "").split(",")):
        size, _, share = stage.partition(":")
        try:
            parts, steps = round(1 / float(size)), float(share)
            if abs(parts * float(size) - 1) > 0.02 or parts < 1 or not 0 < steps <= 1:
                raise ValueError
        except (ValueError, ZeroDivisionError, OverflowError):
            raise ValueError(
                f"'{stage}' is not share-of-the-batch:share-of-the-steps, where the batch can be halved, divided by three, "
                "by four and so on; write for example 0.25:0.2,0.5:0.3"
            ) from None
        found.append((parts, steps))
    if sum(share for _, share in found) > 1 + 1e-9:
        raise ValueError(f"the shares of the steps in '{batches}' add up to more than 1; leave some for whole batches")
    return found


@cache
def growth(batches: str, pace: Pace) -> "Growth":
    """How the batches of a run at this pace grow under the setting `batches`."""
    return Growth(batches, pace)


class Growth:
    """Which part of which whole batch each step reads. Like a pace it has `steps`, `position` and `known`, of the whole
    batches: a mixture, which deals the rows of whole batches, follows it as it follows a pace.

    A change of the pace at a step changes nothing about the steps before it, and lets a batch that has begun end.
    """

    def __init__(self, batches: str, pace: Pace) -> None:
        self.pace, share = pace, 0.0
        self.ends: list[tuple[int, float]] = []  # (parts, the share of the run after which the stage ends), in order
        for parts, part in stages(batches):
            self.ends.append((parts, share := share + part))
        self.runs = list(self._runs())  # from which step and whole batch on there are so many parts
        self._steps = [step for step, _, _ in self.runs]

    def at(self, step: int) -> tuple[int, int, int]:
        """(whole batch, part, parts): what step `step` reads."""
        first, batch, parts = self.runs[bisect.bisect_right(self._steps, step) - 1]
        whole, part = divmod(step - first, parts)
        return batch + whole, part, parts

    def share(self, step: int) -> float:
        """The share of a whole batch that step `step` reads."""
        return 1 / self.at(step)[2]

    def read(self, step: int) -> float:
        """Whole batches that were read before step `step`."""
        batch, part, parts = self.at(step)
        return batch + part / parts

    def ahead(self, step: int) -> float:
        """The mean share of a whole batch in the steps from `step` to the end of the run."""
        here = min(1.0, self.pace.progress(step))
        begin, total = 0.0, 0.0
        for parts, end in [*self.ends, (1, 1.0)]:
            total += max(0.0, min(1.0, end) - max(begin, here)) / parts
            begin = end
        return total / (1 - here) if here < 1 else 1.0

    @property
    def steps(self) -> int:
        """Whole batches of the run."""
        return self.at(self.pace.steps - 1)[0] + 1

    def position(self, batch: Any) -> Any:
        """The position of the run when it begins whole batch number `batch`, for one or an array of them."""
        return self.pace.position(self._first(batch))

    def known(self, batch: Any) -> Any:
        """How many steps the run had as far as was known then."""
        return self.pace.known(self._first(batch))

    def _first(self, batch: Any) -> Any:
        steps, batches, parts = np.array(self.runs).T
        i = np.searchsorted(batches, batch, side="right") - 1
        return steps[i] + (batch - batches[i]) * parts[i]

    def _stage(self, step: int) -> int:
        """The number of the stage in which a batch is read that begins at this step; past all of them it is whole."""
        position, steps = self.pace.position(step), self.pace.known(step)
        return next((i for i, (_, end) in enumerate(self.ends) if position < round(end * steps)), len(self.ends))

    def _runs(self) -> Iterator[tuple[int, int, int]]:
        step = batch = 0
        legs = self.pace.legs if self.ends else ()
        for leg, after in zip(legs, [*legs[1:], None]):
            stop = leg.to_step if after is None else after.step
            while step < stop:
                parts = self._parts(step)
                yield step, batch, parts
                n = -(-(self._change(step, stop) - step) // parts)
                step, batch = step + n * parts, batch + n
        yield step, batch, self._parts(step)  # past the end

    def _parts(self, step: int) -> int:
        return [*(parts for parts, _ in self.ends), 1][self._stage(step)]

    def _change(self, step: int, stop: int) -> int:
        """The first step in (step, stop) at which another stage has come; else `stop`.
        All are of one leg, along which the position only rises or only falls."""
        return bisect.bisect_left(range(stop), True, lo=step, key=lambda at: self._stage(at) != self._stage(step))


@dataclass(frozen=True)
class Growing:
    """Batches of whole batches in parts. Like them it is a pure function of the step."""

    batches: Batches
    growth: Growth

    def __call__(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """See Batches."""
        batch, part, parts = self.growth.at(step)
        return self.batches(batch, part * ranks + rank, parts * ranks)


def growing(batches: Batches, batch_size: int, growth: Growth) -> Batches:
    """`batches` of `batch_size` rows as they grow. Raises SettingError for parts that the rows cannot be divided into."""
    for parts, _ in growth.ends:
        if batch_size % parts:
            raise SettingError(
                f"train.batches: a batch of {batch_size} rows cannot be read in {parts} equal parts; take another share, "
                "or another train.micro_batch_size or train.grad_accumulation"
            )
    return Growing(batches, growth) if growth.ends else batches
