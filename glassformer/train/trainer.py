"""The one training loop. Pre-training, fine-tuning, preference learning and distillation all pass through it.

    for each step:   a batch, which is a pure function of (seed, step)
                     loss = sum of nats / tokens that count, over all micro-batches and processes
                     gradient, clipped to a global norm
                     one optimizer step at the schedule's learning rate

No random state outlives a step: batches and dropout masks are drawn from (seed, step), so a checkpoint stores no generator
state, and a run that was killed and resumed is the same run, bit for bit on a CPU.

A run with a time limit (a `Budget`) decides while it trains how many steps it has (data/pace.py). Every decision is an
event `plan` in the run's log. Resumed after a kill, it repeats the steps up to the last logged decision bit for bit; the
decisions after that one depend on how fast the machine is then.
"""

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from torch import nn

from glassformer.config.sources import sources as own_sources
from glassformer.data.batches import Batch
from glassformer.data.pace import Pace
from glassformer.errors import DiskError
from glassformer.model.gpt import GPT
from glassformer.model.wrapped import unwrapped
from glassformer.parallel.shards import divided_as
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.tokenizers import Tokenizer
from glassformer.train.average import Average
from glassformer.train.budget import Budget
from glassformer.train.config import TrainConfig
from glassformer.train.doctor import Doctor
from glassformer.train.doctor.diverged import diverged
from glassformer.train.evaluate import Lowest, byte_lengths, evaluate, memorising
from glassformer.train.loss import Loss
from glassformer.train.memory import peak_memory_gb
from glassformer.train.optimizer import set_learning_rate
from glassformer.train.passes import Passes
from glassformer.train.precision import Precision
from glassformer.train.ranks import ALONE, Ranks
from glassformer.train.saving import Saving
from glassformer.train.signals import Signals


class Trainer:
    """A model, what it learns from, and the run folder that records it."""

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Tokenizer,
        batches: Callable[[int], Batch],
        held_out: Callable[[], Iterator[Batch]],
        config: TrainConfig,
        run: Run,
        *,
        recipe_json: str,
        precision: str,
        loss: Loss | None = None,
        sample: Callable[[GPT], tuple[str, str]] | None = None,
        watch: Callable[[dict[str, Any]], None] = lambda line: None,
        ranks: Ranks = ALONE,
        sources: Mapping[str, bytes] | None = None,
        pace: Pace | None = None,
        budget: Budget | None = None,
        follow: Callable[[Pace], None] = lambda pace: None,
        passes: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ):
        """`model` is a GPT on its device, or one wrapped by torch.compile, or what `parallel.parallelize` gives.

        `batches(step)` gives the batch of a whole update (of several `ranks`, the rows of this one); `loss` replaces
        `config.loss`; `sample(model)` returns a prompt and its continuation; `watch` sees each line that is logged;
        `sources` are the user's own files in the recipe, which are kept with the checkpoints; without them, those in
        `config` and in the model's.
        `pace` replaces the even one of `config.steps`; with a `budget` it is decided anew while training, and `follow` is
        called with each new one, so `batches` can follow it. `passes` replaces `config.grad_accumulation`.
        """
        inner = unwrapped(model)
        assert isinstance(inner, GPT)
        self.model, self.inner = model, inner
        self.batches, self.held_out, self.config, self.run_folder = batches, held_out, config, run
        self.loss, self.sample, self.watch, self.ranks = loss or config.loss, sample, watch, ranks
        self.device = self.inner.device
        self.precision = Precision(precision, self.device)
        count = passes or config.grad_accumulation
        self.passes = Passes(model, config, self.loss, self.precision, ranks, count, self._divided)
        self.optimizer = config.optimizer.build(inner)
        sources = {**own_sources(config), **own_sources(inner.config)} if sources is None else sources
        self.average = Average(inner, config.ema)
        beside = recipe_json, tokenizer, sources, self.average, ranks
        self.saving = Saving(run.folder, inner, self.optimizer, config, *beside, self._saved, self._refused)
        self.bytes_of = byte_lengths(tokenizer.token_bytes)
        self.pace, self.budget, self.follow, self.clock = pace or Pace.even(config.steps), budget, follow, clock
        self.done, self.tokens, self.seconds = 0, 0, 0.0  # updates, tokens and time so far, over all resumes
        self.began = self.clock() - self.seconds  # when the run would have begun, had it never been stopped
        self.waited = 0.0  # seconds spent waiting for batches, in this process
        self.doctor = Doctor(
            inner, self.optimizer, self.loss, config, run, self._log, alone=ranks.mesh is None, watches=ranks.writes
        )
        self.lowest = Lowest()
        self.decays_from: int | None = None  # the step at which the schedule's decay began, once it has
        self.saved = -1  # the step of the newest checkpoint that this process has written

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Continue from a checkpoint of this run. The model's weights must already be the checkpoint's."""
        saved.fill_optimizer(self.optimizer, self.inner, divided_as, is_part=not self.ranks.can_generate)
        self.average.restore(saved.averages())
        self.precision.restore(saved.state)
        self.doctor.restore(saved.state.get("doctor", []))
        self.done, self.tokens, self.seconds = saved.step, saved.state["tokens"], saved.state["seconds"]
        self.lowest, self.decays_from = Lowest(**saved.state["lowest"]), saved.state.get("decays_from")
        extended = self.done in [leg.step for leg in self.pace.legs]
        if extended and self.lowest.is_old(self.config.patience):
            self.lowest.forgiven = self.lowest.since
        if self.budget is not None and saved.state["budget"] is not None:
            self.budget.restore(saved.state["budget"])

    def train(self) -> Literal["done", "interrupted"]:
        """Run to the last step, until the held-out loss has not fallen for `config.patience` evaluations, or to Ctrl-C or
        SIGTERM, which save first. Raises Diverged.
        """
        self.began = self.clock() - self.seconds
        with Signals() as signals, self.saving:
            if self.done == 0:
                self._look()
                self._save()
            self._plan()
            mark, regular = self._mark(), (self.config.checkpoint_every, self.config.keep_every)
            while self.done < self.pace.steps and not self._stopped(signals) and not self._stops_early():
                before = self.clock()
                loss, norm, lr = self.update(self.done)
                self.done += 1
                self.saving.poll()
                self.seconds = self.clock() - self.began
                if self.doctor.spiked(loss) and self.doctor.rollback.go_back(self, loss):
                    mark = self._mark()
                    continue
                logged = self._is_logged(self.done)
                if logged:
                    steps, tokens, seconds, waited = (now - then for now, then in zip(self._mark(), mark))
                    line = {
                        "loss": loss, "lr": lr, "grad_norm": norm, "block_norms": self.passes.block_norms,
                        "tokens": self.tokens, "tokens_per_s": tokens / max(seconds, 1e-9), "data_seconds": waited / steps,
                        "seconds": self.seconds, "memory_gb": peak_memory_gb(self.device),
                    }  # fmt: skip
                    self._log("train", **line)
                    self.doctor.reports(self.done, self.pace.steps, line)
                if self.budget is not None:
                    self.budget.step_took(self.clock() - before, self.config.growth(self.pace).share(self.done - 1))
                paused = self._look()
                if self._decay_begins() or self._is_due(*regular) or self.lowest.step == self.done:
                    self._save()
                    paused = True
                if logged or paused:
                    mark = self._mark()
                self._plan()
            early = self._stops_early()
            if self.saved < self.done:
                self._save()
            self.saving.settle()
            if self.done < self.pace.steps and not early:
                self._log("event", what="interrupted", detail=signals.received.name if signals.received else "elsewhere")
                return "interrupted"
        why = f", for {self.config.patience} evaluations in a row were not lower than at step {self.lowest.step}"
        self._log("event", what="done", detail=f"{self.done} steps" + (why if early else ""))
        if signals.received is not None:  # it came in the last step: the run is whole, and whoever called is asked to stop
            signal.raise_signal(signals.received)
        return "done"

    def update(self, step: int) -> tuple[float, float, float]:
        """Update number `step`, from 0; returns loss (nats a token), gradient norm before clipping, learning rate."""
        lr = self.config.learning_rate * self.config.schedule.factor(self.pace.position(step), self.pace.known(step))
        loss, norm = self.gradients(step), self.passes.clip(logged=self._is_logged(step + 1))
        finite, scale = math.isfinite(norm), self.precision.loss_scale
        if not math.isfinite(loss) or not (finite or (scale.can_grow and scale.value > 1)):
            self._diverged(step, loss, norm, lr)
        if finite:
            set_learning_rate(self.optimizer, lr)
            with self.doctor.operating(logged=self._is_logged(step + 1)):
                self.optimizer.step()
            self.average.update(step + 1)
        scale.update(finite)
        self.model.zero_grad(set_to_none=True)
        return loss, norm, lr

    def gradients(self, step: int) -> float:
        """The forward and backward passes of update `step`; returns the loss, the mean over the tokens of all ranks."""
        started = self.clock()
        batch = self.batches(self.doctor.rollback.number(step))
        self.waited += self.clock() - started
        counted = self.passes.counted(batch)
        self.doctor.reads(step, batch, counted, self.tokens, logged=self._is_logged(step + 1))
        self.tokens += counted
        return self.passes.gradients(batch, step, self.pace, counted)

    def _divided(self, passes: int) -> None:
        self._log("event", what="divide", passes=passes, detail=f"out of memory: {passes} passes from here on")

    def _stops_early(self) -> bool:
        return self.done < self.pace.steps and self.lowest.is_old(self.config.patience)

    def _stopped(self, signals: Signals) -> bool:
        """Whether any rank was asked to stop: then all do, after the same step."""
        return self.ranks.any(signals.received is not None, self.device)

    def _mark(self) -> tuple[int, int, float, float]:
        return self.done, self.tokens, self.clock(), self.waited

    def _is_logged(self, done: int) -> bool:
        """Whether the step that ends with `done` updates has a line in the log."""
        return done % self.config.log_every == 0 or done == self.pace.steps

    def _is_due(self, *every: float | None) -> bool:
        """Whether something that comes every so many steps (never, if None), and at the end, comes now."""
        due = (self.done == self.pace.steps or self.pace.due(self.done, n) for n in every if n is not None)
        return any(due)

    def _decay_begins(self) -> bool:
        """Whether the schedule's decay begins with the next step; the checkpoint of this one is kept for `glass extend`."""
        first = self.config.schedule.decays_from(self.pace.known(self.done))
        if first is None or self.pace.position(self.done) < first:
            self.decays_from = None
        elif self.decays_from is None:
            self.decays_from = self.done
        return self.decays_from == self.done

    def _look(self) -> bool:
        """Evaluate, sample and keep a snapshot if it is time; returns whether that took long."""
        evaluates = self._is_due(self.config.eval_every)
        samples = self.sample is not None and self.config.sample_every > 0 and self._is_due(self.config.sample_every)
        if evaluates or samples:
            with self.average.applied():
                if evaluates:
                    self._evaluate()
                if samples:
                    self._write()
            self.ranks.let_go(self.model)
        self.saving.snapshot(self._state(), last=self.done == self.pace.steps or self._stops_early())
        return evaluates or samples

    def _evaluate(self) -> None:
        with self._pause("eval"):
            started = self.clock()
            result = evaluate(self.model, self.held_out(), self.bytes_of, self.precision, self.loss, self.ranks)
            averaged = {"averaged": True} if self.config.ema else {}
            self._log("eval", split="validation", **result, **averaged, seconds=self.clock() - started)
        if self.lowest.see(self.done, result["loss"]):
            self._log("event", what="memorising", detail=memorising(self.lowest, result["loss"]))

    def _write(self) -> None:
        assert self.sample is not None
        if not self.ranks.can_generate or (self.ranks.has_whole_model and not self.ranks.writes):
            return
        with self._pause("sample"):
            self.model.eval()
            prompt, text = self.sample(self.inner)
            self.model.train()
            if self.ranks.writes:
                self.run_folder.sample(self.done, prompt, text, self.seconds)
                self.watch({"kind": "sample", "step": self.done, "prompt": prompt, "text": text})

    def _plan(self) -> None:
        """With a budget: decide anew how many steps there are, if it is time to, and write the decision down."""
        self.seconds = self.clock() - self.began
        if self.budget is None or self.done >= self.pace.steps:
            return
        config = self.config
        every = {"eval": config.eval_every, "sample": config.sample_every, "checkpoint": config.checkpoint_every}
        ahead = config.growth(self.pace).ahead(self.done)
        steps = self.budget.decision(self.done, self.seconds, self.pace, every, ahead) if self.ranks.writes else 0
        steps = self.ranks.told(steps, self.device)
        if steps and steps != self.pace.steps:
            legs = self.pace.ending(self.done, steps)
            self._log("event", what="plan", steps=steps, legs=legs, detail=f"{steps:,} steps fit into the time")
            self.pace = self.pace.then(legs)
            self.follow(self.pace)

    @contextlib.contextmanager
    def _pause(self, kind: str) -> Iterator[None]:
        """The budget learns how long this took."""
        started = self.clock()
        yield
        if self.budget is not None:
            self.budget.pause_took(kind, self.clock() - started)

    def _save(self) -> None:
        with self._pause("checkpoint"):
            self.seconds = self.clock() - self.began
            state = {"lowest": vars(self.lowest), "decays_from": self.decays_from, **self.precision.state(),
                     "budget": self.budget and self.budget.state(), "doctor": self.doctor.state(),
                     "permanent": self._is_due(self.config.keep_every)}  # fmt: skip
            self.saving.checkpoint(self._state() | state)
        self.saved = self.done

    def settle(self) -> None:
        """Wait until the checkpoint in the background is on the disk. Raises DiskError."""
        self.saving.settle()

    def _saved(self, folder: Path) -> None:
        self._log("event", int(folder.name), what="checkpoint", detail=folder.name)

    def _refused(self, error: DiskError) -> None:
        self._log("event", what="refused", detail=f"{error.what}; the checkpoint is written again")

    def _state(self) -> dict[str, Any]:
        return {"step": self.done, "tokens": self.tokens, "seconds": self.seconds}

    def _log(self, kind: str, step: int | None = None, **values: Any) -> None:
        if self.ranks.writes:
            step = self.done if step is None else step
            self.run_folder.log(kind, step, **values)
            self.watch({"kind": kind, "step": step, **values})

    def _diverged(self, step: int, loss: float, norm: float, lr: float) -> None:
        self._log("event", what="nan", detail=f"loss {loss}, gradient norm {norm}")
        self.saving.settle()
        kept, precision = checkpoint.newest(self.run_folder.folder), self.precision.name
        raise diverged(self.config, precision, f"loss {loss} and gradient norm {norm} at step {step}", lr, kept)
