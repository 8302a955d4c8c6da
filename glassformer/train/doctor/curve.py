"""What the loss curve and the size of the updates say together: spikes, a learning rate that does not fit, no warmup.

    spike     loss > mean + max(8 s, 0.5 nats) of the WINDOW losses before it        s: their standard deviation
    no fall   the mean of the last WINDOW losses is not 2 % below the first loss, after the warmup
    too high  no fall, or a loss 0.5 nats above the first, with updates of over a quarter of the weights
    too low   less than 10 % of the first loss gone, with updates of under 1/2000 of the weights at the full rate

The ratio of an update to its weights (weights.py) tells the reasons apart: in healthy runs it is 1/1000 to 1/10.
"""

import statistics
from collections import deque

from glassformer.system.command import typed
from glassformer.train.config import TrainConfig
from glassformer.train.doctor.finding import Finding

WINDOW = 16
HUGE, TINY = 0.25, 5e-4
"""Updates of this part of the weights are too large, and too small, if the loss does not fall."""
RISE = 0.5
"""Nats above the first loss."""


class Curve:
    """Takes in the loss of every step."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.losses: deque[float] = deque(maxlen=WINDOW)
        self.first: float | None = None
        self.ratios: deque[float] = deque(maxlen=5)

    def spikes(self, loss: float) -> bool:
        """Take in the loss of a step, and say whether it is far above those before. A spike is not added to them."""
        self.first = loss if self.first is None else self.first
        if len(self.losses) == WINDOW:
            mean, s = statistics.fmean(self.losses), statistics.pstdev(self.losses)
            if loss > mean + max(8 * s, RISE):
                self.losses.popleft()  # if it stays high, that is the new level
                return True
        self.losses.append(loss)
        return False

    def spike(self, loss: float) -> Finding:
        """The finding for a loss that spikes."""
        return Finding(
            "loss spike", f"the loss jumps to {loss:.2f} from {statistics.fmean(self.losses):.2f}",
            "one alone is harmless; of several, lower train.learning_rate or train.optimizer.beta2, or set "
            "train.doctor=rollback, which goes back to the last checkpoint and leaves the batch out",
        )  # fmt: skip

    def findings(self, step: int, steps: int, lr: float, ratio: float | None) -> list[Finding]:
        """What the losses up to `step` of `steps` say, at learning rate `lr`, whose updates are `ratio` of the weights."""
        if ratio is not None:
            self.ratios.append(ratio)
        if self.first is None or len(self.losses) < 5 or not self.ratios:
            return []
        ratio, now = statistics.median(self.ratios), statistics.fmean(list(self.losses)[-5:])
        warmup, rose = self.config.schedule.warmup(steps), now > self.first + RISE
        size = f"an update changes the weights by {ratio:.1%}"
        if rose and ratio > TINY:
            what = f"the loss has risen from {self.first:.2f} to {now:.2f}, and {size}"
            if warmup < min(10, steps / 20) and step <= 30:
                usual = min(100, max(10, steps // 10))
                return [Finding("no warmup", what + " from the first step on",
                                f"let the rate grow first (train.schedule.warmup_steps={usual}), or lower it")]  # fmt: skip
            return [self._too_high(what, lr)]
        if len(self.losses) < WINDOW or step < max(2 * WINDOW, 2 * warmup):
            return []
        now = statistics.fmean(self.losses)
        what = f"the loss is {now:.2f} after {step} steps and was {self.first:.2f} at first, and {size}"
        if now > 0.98 * self.first and ratio > HUGE:
            return [self._too_high(what, lr)]
        if now > 0.9 * self.first and ratio < TINY and lr > 0.3 * self.config.learning_rate:
            remedy = f"try ten times train.learning_rate={self.config.learning_rate:g} (`{typed('find-lr')}`)"
            return [Finding("learning rate too low", what, remedy)]
        if now > 0.98 * self.first:
            look = typed("data", "check")
            remedy = f"try another train.learning_rate (`{typed('find-lr')}`), and look at the text (`{look}`)"
            return [Finding("loss does not fall", what, remedy)]
        return []

    def _too_high(self, what: str, lr: float) -> Finding:
        return Finding(
            "learning rate too high", f"{what} at a learning rate of {lr:.2g}",
            f"try a tenth of train.learning_rate={self.config.learning_rate:g}; `{typed('find-lr')}` looks for the best",
        )  # fmt: skip
