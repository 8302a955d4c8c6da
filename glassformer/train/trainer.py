"""The one training loop. Pre-training, fine-tuning, preference learning and distillation all pass through it.

    for each step:   a batch, which is a pure function of (seed, step)
                     loss = sum of nats / tokens that count, over all micro-batches
                     gradient, clipped to a global norm
                     one optimizer step at the schedule's learning rate

Nothing random outlives a step: batches and dropout masks are drawn from (seed, step), so a checkpoint needs no
generator state, and a run that was killed and resumed is the same run, bit for bit on a CPU.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator
from torch import Tensor

from glassformer.config import Config, slot
from glassformer.data import curriculum, mixture
from glassformer.data.batches import Batch
from glassformer.data.sampler import Sampler
from glassformer.errors import GlassError
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.tokenizers import Tokenizer
from glassformer.train.evaluate import byte_lengths, evaluate
from glassformer.train.loss import next_token
from glassformer.train.memory import peak_memory_gb
from glassformer.train.optimizer import Optimizer
from glassformer.train.precision import Precision, PrecisionName
from glassformer.train.schedule import Schedule


class TrainConfig(Config):
    """How a model is trained, whatever on."""

    steps: Annotated[PositiveInt, Field(le=10**12)] = 2000
    """Optimizer updates in the run."""
    micro_batch_size: PositiveInt = 16
    """Sequences of model.context_length in one forward pass; lower it when memory is short."""
    grad_accumulation: PositiveInt = 1
    """Forward passes per update; the batch is micro_batch_size times this."""
    sampler: Sampler = slot("windows")
    """Which tokens a step reads, and in what rows; evaluation always reads windows side by side."""
    lengths: str = ""
    """Shorter rows first, as length:share-of-the-steps, such as 64:0.2,128:0.3; then model.context_length."""
    mixture: dict[str, str] = {}
    """Weights of the dataset's sources if not its own, such as {"village": "0.9>0.5", "python": "0.1>0.5"}: first>last."""
    learning_rate: PositiveFloat = 1e-3
    """The peak; larger models want less (GPT-2 124M: 6e-4)."""
    optimizer: Optimizer = slot("adamw")
    """How a gradient becomes a step."""
    schedule: Schedule = slot("cosine")
    """How the learning rate changes over the run."""
    grad_clip: PositiveFloat = 1.0
    """The longest gradient (global norm) that is used as it is."""
    precision: PrecisionName = "auto"
    """Format of the matrix products; auto measures on a CPU and takes bf16 (or fp16) on a GPU."""
    kernels: Literal["fused", "flexible"] = "fused"
    """How `sliding`, `block_sparse` and `strided` skip pairs; flexible is FlexAttention: CUDA without dropout or biases."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train; auto takes a GPU if there is one."""
    eval_every: PositiveInt = 250
    """Steps between evaluations on held-out text."""
    eval_tokens: PositiveInt = 65_536
    """Held-out tokens read in each evaluation."""
    sample_every: NonNegativeInt = 250
    """Steps between samples of the fixed prompt; 0 for none."""
    checkpoint_every: PositiveInt = 250
    """Steps between checkpoints; the first and the last step always have one."""
    keep_checkpoints: PositiveInt = 2
    """How many of the newest checkpoints to keep."""
    log_every: PositiveInt = 10
    """Steps between lines of metrics."""
    vectors: str | None = None
    """A text file of word vectors (word2vec, GloVe, fastText) that the embeddings of whole words begin with."""
    seed: Annotated[NonNegativeInt, Field(le=10**12)] = 1337
    """Decides initial weights, batches and dropout."""

    @property
    def batch_size(self) -> int:
        """Sequences per update."""
        return self.micro_batch_size * self.grad_accumulation

    @field_validator("lengths")
    @classmethod
    def _stages(cls, lengths: str) -> str:
        curriculum.stages(lengths)
        return lengths

    @field_validator("mixture")
    @classmethod
    def _weights(cls, schedule: dict[str, str]) -> dict[str, str]:
        mixture.check(schedule)
        return schedule


class Diverged(GlassError):
    """The loss or the gradient is no longer a number."""


class Trainer:
    """A model, what it learns from, and the run folder that records it."""

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        batches: Callable[[int], Batch],
        held_out: Callable[[], Iterator[Batch]],
        config: TrainConfig,
        run: Run,
        *,
        recipe_json: str,
        precision: str,
        loss: Callable[[GPT, Batch], Tensor] = next_token,
        sample: Callable[[GPT], tuple[str, str]] | None = None,
        watch: Callable[[dict[str, Any]], None] = lambda line: None,
    ):
        """`batches(step)` gives a whole update's batch; `sample(model)` a prompt and its continuation; `watch`
        sees each line that is logged. The model must already be on its device.
        """
        self.model, self.tokenizer, self.batches, self.held_out = model, tokenizer, batches, held_out
        self.config, self.run_folder, self.recipe_json = config, run, recipe_json
        self.loss, self.sample, self.watch = loss, sample, watch
        self.device = next(model.parameters()).device
        self.precision = Precision(precision, self.device)
        self.optimizer = config.optimizer.build(model.named_parameters(), model.kernels, model.lr_scales())
        self.bytes_of = byte_lengths(tokenizer.token_bytes)
        self.done, self.tokens, self.seconds = 0, 0, 0.0  # updates, tokens and time so far, over all resumes
        self.waited = 0.0  # seconds spent waiting for batches, in this process
        self.stop_signal: signal.Signals | None = None

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Continue from a checkpoint of this run. The model's weights must already be the checkpoint's."""
        self.optimizer.load(saved.optimizer_tensors())
        scale = self.precision.loss_scale
        scale.value, scale.steps_since_change = saved.state["loss_scale"]
        self.done, self.tokens, self.seconds = saved.step, saved.state["tokens"], saved.state["seconds"]

    def train(self) -> Literal["done", "interrupted"]:
        """Run to the last step, or to Ctrl-C or SIGTERM, which save first. Raises Diverged."""
        config, started = self.config, time.perf_counter() - self.seconds
        with self._signals():
            if self.done == 0:
                self._look()
                self._save()
            mark = self._mark()
            while self.done < config.steps and self.stop_signal is None:
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
                    paused = bool(self._save())
                if self.done % config.log_every == 0 or paused:
                    mark = self._mark()
            if self.stop_signal is not None and self.done < config.steps:
                self._save()
                self._log("event", what="interrupted", detail=self.stop_signal.name)
                return "interrupted"
        self._log("event", what="done", detail=f"{self.done} steps")
        if self.stop_signal is not None:  # it came in the last step: the run is whole, and whoever called is asked to stop
            signal.raise_signal(self.stop_signal)
        return "done"

    def _mark(self) -> tuple[int, int, float, float]:
        return self.done, self.tokens, time.perf_counter(), self.waited

    def update(self, step: int) -> tuple[float, float, float]:
        """Update number `step`, from 0; returns loss (nats a token), gradient norm before clipping, learning rate."""
        config, started = self.config, time.perf_counter()
        batch = self.batches(step)
        self.waited += time.perf_counter() - started
        counted = int((batch.targets != IGNORED).sum())
        lr = config.learning_rate * config.schedule.factor(step, config.steps)
        torch.manual_seed(
            config.seed * 1_000_003 + step
        )  # dropout: the same masks however often the run was interrupted
        total = torch.zeros((), device=self.device)
        for micro in batch.parts(config.grad_accumulation):
            with self.precision.autocast():
                loss = self.loss(self.model, micro.to(self.device)).sum() / counted
            (loss * self.precision.loss_scale.value).backward()
            total += loss.detach()
        loss, norm = total.item(), self._clip()
        finite, scale = math.isfinite(norm), self.precision.loss_scale
        if not math.isfinite(loss) or not (finite or (scale.can_grow and scale.value > 1)):
            self._diverged(step, loss, norm, lr)
        if finite:
            self.optimizer.step(step + 1, lr)
        scale.update(finite)
        self.model.zero_grad(set_to_none=True)
        self.tokens += counted
        return loss, norm, lr

    def _clip(self) -> float:
        """Unscale and clip the gradients; returns their norm before clipping."""
        parameters = [p for p in self.model.parameters() if p.grad is not None]
        if self.precision.loss_scale.value != 1:
            for p in parameters:
                assert p.grad is not None
                p.grad.div_(self.precision.loss_scale.value)
        return self.model.kernels.clip(parameters, self.config.grad_clip).item()

    def _look(self) -> bool:
        """Evaluate and sample if this step is due; returns whether time went by."""
        config, last = self.config, self.done == self.config.steps
        evaluated = self.done % config.eval_every == 0 or last
        if evaluated:
            started = time.perf_counter()
            result = evaluate(self.model, self.held_out(), self.bytes_of, self.precision)
            self._log("eval", split="validation", **result, seconds=time.perf_counter() - started)
        sampled = self.sample is not None and config.sample_every > 0 and (self.done % config.sample_every == 0 or last)
        if sampled and self.sample is not None:
            self.model.eval()
            prompt, text = self.sample(self.model)
            self.model.train()
            self.run_folder.sample(self.done, prompt, text, self.seconds)
            self.watch({"kind": "sample", "step": self.done, "prompt": prompt, "text": text})
        return evaluated or sampled

    def _save(self) -> Any:
        folder = self.run_folder.folder / "checkpoints"
        scale = self.precision.loss_scale
        state = {"step": self.done, "tokens": self.tokens, "seconds": self.seconds, "precision": self.precision.name,
                 "loss_scale": [scale.value, scale.steps_since_change]}  # fmt: skip
        saved = checkpoint.save(folder, self.model, self.optimizer.tensors(), state, self.recipe_json, self.tokenizer)
        checkpoint.prune(folder, self.config.keep_checkpoints)
        self._log("event", what="checkpoint", detail=saved.name)
        return saved

    def _log(self, kind: str, **values: Any) -> None:
        self.run_folder.log(kind, self.done, **values)
        self.watch({"kind": kind, "step": self.done, **values})

    def _diverged(self, step: int, loss: float, norm: float, lr: float) -> None:
        self._log("event", what="nan", detail=f"loss {loss}, gradient norm {norm}")
        kept = checkpoint.newest(self.run_folder.folder)
        causes = [f"the learning rate is too high ({lr:.2g} at this step; try a third of train.learning_rate)"]
        longer = min(200, self.config.steps // 2)
        if self.config.schedule.warmup(self.config.steps) < longer / 4:
            causes.append(f"the warmup is short (try train.schedule.warmup_steps={longer})")
        if self.precision.name == "fp16":
            causes.append("fp16 overflowed (try train.precision=bf16)")
        if self.config.grad_clip > 5:
            causes.append(f"gradients are hardly clipped (train.grad_clip={self.config.grad_clip:g}; 1 is usual)")
        raise Diverged(
            f"loss {loss} and gradient norm {norm} at step {step}: training stopped before the weights were touched; "
            f"likely because {'; or '.join(causes)}. The last good checkpoint is {kept}"
        )

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The first Ctrl-C or SIGTERM asks the loop to save and stop; the second acts at once."""
        previous: dict[signal.Signals, Any] = {}

        def ask(number: int, frame: Any) -> None:
            self.stop_signal = signal.Signals(number)
            signal.signal(number, previous[self.stop_signal])

        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                previous[number] = signal.signal(number, ask)
        except ValueError:  # not the main thread: whoever runs us there handles signals
            pass
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
