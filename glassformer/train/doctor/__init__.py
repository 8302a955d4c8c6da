"""The run doctor: watches a training while it runs, and says by name what is wrong with it and what to change.

It looks at the steps that are logged, and only at them: `reading` at what the batches hold, `probe` at what the model and
its loss do with a few rows, `weights` at gradients and updates, `curve` at the losses and `speed` at the clock. A finding
(`finding`) is told once in a run: as an event "doctor" in the log, which the terminal and the report show. `diverged` says
why a training has no finite loss any more. docs/doctor.md has the formulas, what is normal, and what is missed.

It changes nothing about a run, except with `train.doctor=rollback`. Its looks take less than SHARE of the processor's
time: after the first FREE seconds it leaves out what would take more. If it fails, it says so, and the training goes on.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from glassformer.data.batches import Batch
from glassformer.model.gpt import GPT
from glassformer.runs.run import Run
from glassformer.train.config import TrainConfig
from glassformer.train.doctor import probe
from glassformer.train.doctor.curve import Curve
from glassformer.train.doctor.finding import FOLLOWS, Finding
from glassformer.train.doctor.reading import Reading
from glassformer.train.doctor.rollback import Rollback
from glassformer.train.doctor.speed import Speed
from glassformer.train.doctor.weights import Look, Weights
from glassformer.train.loss import Loss

SHARE, FREE = 0.01, 1.0
SPIKES = 5
"""Spikes that are told in a run."""
FEW = 2
"""Rows that are probed."""


class Doctor:
    """Watches one training in this process."""

    def __init__(
        self, model: GPT, optimizer: torch.optim.Optimizer, loss: Loss, config: TrainConfig, run: Run,
        tell: Callable[..., None], alone: bool = True, watches: bool = True,
    ) -> None:  # fmt: skip
        """`tell("event", what="doctor", name=..., detail=...)` logs an event of `run`; what its log says already is not
        told again. `alone` says that the whole model is in this process, `watches` that no other one watches."""
        self.model, self.loss, self.config, self.tell, self.alone = model, loss, config, tell, alone
        self.told = {str(event.get("name")) for event in run.metrics("event") if event.get("what") == "doctor"}
        self.reading = Reading(probe.vocabulary(model), _tokens(run) if watches else None)
        self.weights, self.curve, self.speed = Weights(model, optimizer), Curve(config), Speed()
        self.rollback = Rollback(config, run, alone)
        self.look: Look | None = None
        self.looks, self.spikes = 0, 0
        self.active = watches and config.doctor != "off"
        self.spent, self.began = 0.0, time.process_time()

    def reads(self, step: int, batch: Batch, counted: int, tokens: int, logged: bool) -> None:
        """Before update number `step`, which will be `logged`: its batch, of which `counted` targets count."""
        if not (logged or step == 0) or self._is_busy():
            return
        with self._looking():
            self._say(self.reading.see(batch, counted, tokens))
            if counted and self.alone and self.looks & (self.looks - 1) == 0:  # 0, 1, 2, 4, 8, ...
                few = _few(batch)
                self._say(probe.model_findings(self.model, few, first=step == 0))
                if self.looks == 0:
                    self._say(probe.loss_findings(self.model, self.loss, few.to(self.model.device)))
            self.looks += 1

    @contextlib.contextmanager
    def operating(self, logged: bool) -> Iterator[None]:
        """Around the optimizer's step, of an update that will be logged or not."""
        self.look = None
        if not logged or not self.alone or self._is_busy():
            yield
            return
        with self._looking():
            self.weights.see_before()
        yield
        with self._looking():
            self.look = self.weights.see_after()

    def spiked(self, loss: float) -> bool:
        """Take in the loss of a step; says whether it spikes."""
        if not self.active or not self.curve.spikes(loss):
            return False
        self.spikes += 1
        finding = self.curve.spike(loss)
        if self.spikes <= SPIKES and not FOLLOWS[finding.name] & self.told:
            self.tell("event", what="doctor", name=finding.name, detail=finding.sentence)
        return True

    def state(self) -> list[float]:
        """For a checkpoint: the losses by which a spike is known."""
        return [*([self.curve.first] if self.curve.first is not None else []), *self.curve.losses]

    def restore(self, losses: list[float]) -> None:
        """Continue from what `state` gave."""
        self.curve.first = losses[0] if losses else None
        self.curve.losses.clear()
        self.curve.losses.extend(losses[1:])

    def reports(self, step: int, steps: int, line: dict[str, Any]) -> None:
        """Take in a logged `line` of the kind "train", in a run of `steps`."""
        if not self.active:
            return
        with self._looking():
            self._say(self.speed.findings(step, line))
            if self.look is not None:
                self._say(self.curve.findings(step, steps, line["lr"], self.look.ratio))
                self._say(self.weights.findings(line["block_norms"], line["grad_norm"], self.config.grad_clip))

    def share(self) -> float:
        """The part of this process's time since the beginning that watching took."""
        return self.spent / max(1e-9, time.process_time() - self.began)

    def _say(self, findings: list[Finding]) -> None:
        for finding in findings:
            if finding.name not in self.told and not FOLLOWS.get(finding.name, set()) & self.told:
                self.told.add(finding.name)
                self.tell("event", what="doctor", name=finding.name, detail=finding.sentence)

    def _is_busy(self) -> bool:
        """Whether a look now would take too much of the time."""
        return not self.active or self.spent > max(FREE, SHARE * (time.process_time() - self.began))

    @contextlib.contextmanager
    def _looking(self) -> Iterator[None]:
        started = time.process_time()
        try:
            yield
        except (
            Exception
        ) as error:  # whatever a part of the user's own does here: the training must not end because of us
            self.active = False
            self.tell(
                "event",
                what="doctor",
                name="stopped",
                detail=f"the doctor has stopped watching: {type(error).__name__}: {error}",
            )
        finally:
            self.spent += time.process_time() - started


def _few(batch: Batch) -> Batch:
    """Two rows: that with the most targets, and that with the most padding beside some."""
    counted = (batch.targets >= 0).sum(1)
    fullest = int(counted.argmax())
    emptiest = int(counted.where(counted >= 2, counted.max() + 1).argmin())
    rows = torch.tensor([fullest, emptiest][:FEW])
    return batch.having(**{name: field[rows] for name, field in vars(batch).items() if field is not None})


def _tokens(run: Run) -> int | None:
    """The tokens of the training text, as far as the run says."""
    value: Any = run.facts()
    for key in ("dataset", "train", "tokens"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int) else None
