"""The one training loop. Pre-training, fine-tuning, preference learning and distillation all pass through it.

    for each step:   a batch, which is a pure function of (seed, step)
                     loss = sum of nats / tokens that count, over all micro-batches and processes
                     gradient, clipped to a global norm
                     one optimizer step at the schedule's learning rate

No random state outlives a step: batches and dropout masks are drawn from (seed, step), so a checkpoint stores no generator
state, and a run that was killed and resumed is the same run, bit for bit on a CPU.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import torch
from torch import nn

from glassformer.config.sources import sources as own_sources
from glassformer.data.batches import Batch
from glassformer.model.gpt import GPT
from glassformer.model.wrapped import unwrapped
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.tokenizers import Tokenizer
from glassformer.train.config import TrainConfig
from glassformer.train.doctor import Diverged, causes
from glassformer.train.evaluate import byte_lengths, evaluate
from glassformer.train.loss import Loss
from glassformer.train.memory import peak_memory_gb
from glassformer.train.optimizer import set_learning_rate
from glassformer.train.precision import Precision
from glassformer.train.ranks import ALONE, Ranks
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
    ):
        """`model` is a GPT on its device, or one wrapped by torch.compile or DistributedDataParallel.

        `batches(step)` gives the batch of a whole update (of several `ranks`, the rows of this one); `loss` replaces
        `config.loss`; `sample(model)` returns a prompt and its continuation; `watch` sees each line that is logged;
        `sources` are the user's own files in the recipe, which are kept with the checkpoints; without them, those in
        `config` and in the model's.
        """
        inner = unwrapped(model)
        assert isinstance(inner, GPT)
        self.model, self.inner = model, inner
        self.tokenizer, self.batches, self.held_out = tokenizer, batches, held_out
        self.config, self.run_folder, self.recipe_json = config, run, recipe_json
        self.loss, self.sample, self.watch, self.ranks = loss or config.loss, sample, watch, ranks
        self.sources = {**own_sources(config), **own_sources(inner.config)} if sources is None else sources
        self.device = self.inner.device
        self.precision = Precision(precision, self.device)
        self.optimizer = config.optimizer.build(inner)
        self.bytes_of = byte_lengths(tokenizer.token_bytes)
        self.done, self.tokens, self.seconds = 0, 0, 0.0  # updates, tokens and time so far, over all resumes
        self.waited = 0.0  # seconds spent waiting for batches, in this process

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Continue from a checkpoint of this run. The model's weights must already be the checkpoint's."""
        saved.fill_optimizer(self.optimizer, self.inner)
        scale = self.precision.loss_scale
        scale.value, scale.steps_since_change = saved.state["loss_scale"]
        self.done, self.tokens, self.seconds = saved.step, saved.state["tokens"], saved.state["seconds"]

    def train(self) -> Literal["done", "interrupted"]:
        """Run to the last step, or to Ctrl-C or SIGTERM, which save first. Raises Diverged."""
        config, started = self.config, time.perf_counter() - self.seconds
        with Signals() as signals:
            if self.done == 0:
                self._look()
                self._save()
            mark = self._mark()
            while self.done < config.steps and not self._stopped(signals):
                loss, norm, lr = self.update(self.done)
                self.done += 1
                self.seconds = time.perf_counter() - started
                if self.done % config.log_every == 0 or self.done == config.steps:
                    steps, tokens, seconds, waited = (now - then for now, then in zip(self._mark(), mark))
                    self._log("train", loss=loss, lr=lr, grad_norm=norm, tokens=self.tokens,
                              tokens_per_s=tokens / seconds, data_seconds=waited / steps, seconds=self.seconds,
                              memory_gb=peak_memory_gb(self.device))  # fmt: skip
                paused = self._look()
                if self.done % config.checkpoint_every == 0 or self.done == config.steps:
                    self._save()
                    paused = True
                if self.done % config.log_every == 0 or paused:
                    mark = self._mark()
            if self.done < config.steps:
                self._save()
                self._log(
                    "event", what="interrupted", detail=signals.received.name if signals.received else "elsewhere"
                )
                return "interrupted"
        self._log("event", what="done", detail=f"{self.done} steps")
        if (
            signals.received is not None
        ):  # it came in the last step: the run is whole, and whoever called is asked to stop
            signal.raise_signal(signals.received)
        return "done"

    def update(self, step: int) -> tuple[float, float, float]:
        """Update number `step`, from 0; returns loss (nats a token), gradient norm before clipping, learning rate."""
        lr = self.config.learning_rate * self.config.schedule.factor(step, self.config.steps)
        loss, norm = self.gradients(step), self._clip()
        finite, scale = math.isfinite(norm), self.precision.loss_scale
        if not math.isfinite(loss) or not (finite or (scale.can_grow and scale.value > 1)):
            self._diverged(step, loss, norm, lr)
        if finite:
            set_learning_rate(self.optimizer, lr)
            self.optimizer.step()
        scale.update(finite)
        self.model.zero_grad(set_to_none=True)
        return loss, norm, lr

    def gradients(self, step: int) -> float:
        """The forward and backward passes of update `step`; returns the loss, the mean over the tokens of all ranks."""
        started = time.perf_counter()
        batch = self.batches(step)
        self.waited += time.perf_counter() - started
        counted = int(self.ranks.sum(self.loss.counted(batch), self.device))
        self.tokens += counted
        # Dropout: the same masks however often the run was interrupted, and other ones on every rank.
        torch.manual_seed(self.config.seed * 1_000_003 + step + self.ranks.rank * 1_000_000_007)
        total, micros = torch.zeros(()), list(batch.parts(self.config.grad_accumulation))
        for i, micro in enumerate(micros):
            with self.ranks.accumulating(self.model, last=i == len(micros) - 1):
                with self.precision.autocast():
                    loss = self.loss.nats(self.model, micro.to(self.device)).sum() / max(1, counted)
                # Wrappers average the gradients over the ranks; the mean is over tokens, so we need their sum.
                (loss * self.precision.loss_scale.value * self.ranks.count).backward()
            total = total + loss.detach()  # in the precision of the loss
        return self.ranks.sum(total.item(), self.device)

    def _clip(self) -> float:
        """Unscale and clip the gradients; returns their norm before clipping."""
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        if self.precision.loss_scale.value != 1:
            for p in parameters:
                assert p.grad is not None
                p.grad.div_(self.precision.loss_scale.value)
        return self.inner.kernels.clip(parameters, self.config.grad_clip).item()

    def _stopped(self, signals: Signals) -> bool:
        """Whether any rank was asked to stop: then all do, after the same step."""
        return self.ranks.sum(signals.received is not None, self.device) > 0

    def _mark(self) -> tuple[int, int, float, float]:
        return self.done, self.tokens, time.perf_counter(), self.waited

    def _look(self) -> bool:
        """Evaluate and sample if this step is due; returns whether time went by."""
        config, last = self.config, self.done == self.config.steps
        evaluated = self.done % config.eval_every == 0 or last
        if evaluated:
            started = time.perf_counter()
            result = evaluate(self.model, self.held_out(), self.bytes_of, self.precision, self.loss)
            self._log("eval", split="validation", **result, seconds=time.perf_counter() - started)
        sampled = self.sample is not None and config.sample_every > 0 and (self.done % config.sample_every == 0 or last)
        if sampled and self.sample is not None:
            self.model.eval()
            prompt, text = self.sample(self.inner)
            self.model.train()
            if self.ranks.writes:
                self.run_folder.sample(self.done, prompt, text, self.seconds)
                self.watch({"kind": "sample", "step": self.done, "prompt": prompt, "text": text})
        return evaluated or sampled

    def _save(self) -> None:
        if not self.ranks.writes:
            return
        folder, scale = self.run_folder.folder / "checkpoints", self.precision.loss_scale
        state = {"step": self.done, "tokens": self.tokens, "seconds": self.seconds, "precision": self.precision.name,
                 "loss_scale": [scale.value, scale.steps_since_change]}  # fmt: skip
        saved = checkpoint.save(
            folder, self.inner, self.optimizer, state, self.recipe_json, self.tokenizer, self.sources
        )
        checkpoint.prune(folder, self.config.keep_checkpoints)
        self._log("event", what="checkpoint", detail=saved.name)

    def _log(self, kind: str, **values: Any) -> None:
        if self.ranks.writes:
            self.run_folder.log(kind, self.done, **values)
            self.watch({"kind": kind, "step": self.done, **values})

    def _diverged(self, step: int, loss: float, norm: float, lr: float) -> None:
        self._log("event", what="nan", detail=f"loss {loss}, gradient norm {norm}")
        kept, why = (
            checkpoint.newest(self.run_folder.folder),
            "; or ".join(causes(self.config, lr, self.precision.name)),
        )
        raise Diverged(
            f"loss {loss} and gradient norm {norm} at step {step}: training stopped before the weights were touched; "
            f"likely because {why}. The last good checkpoint is {kept}"
        )
