"""The trainings of `bench/doctor.py`: small ones with a bug put in through a public seam, and healthy ones.

Not a measurement itself. A bug gets in as one of a user would: through `kernels.replace`, a `Loss`, a sampler, a setting,
or a change to the model or its optimizer before the first step. Time is that of the processor, so that other programs are
no bug; the two cases about time bring a clock of their own.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from glassformer import kernels
from glassformer.data.batches import Batch
from glassformer.data.shards import Dataset
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT
from glassformer.model.linear import Dropout
from glassformer.recipes import build, launch
from glassformer.recipes.presets import Recipe, mini, named
from glassformer.runs.run import Run
from glassformer.train.doctor.diverged import Diverged
from glassformer.train.loss import Loss
from glassformer.train.optimizer import Optimizer, grouped, kernels_of
from glassformer.train.optimizer.adamw import AdamW
from glassformer.train.optimizer.adamw import Config as AdamWConfig
from glassformer.train.trainer import Trainer

SMALL = (
    "model.embed=token", "model.head=tied", "model.init=gpt2", "train.sampler=windows", "train.optimizer=adamw",
    "train.schedule=cosine", "train.learning_rate=4e-3",
    "corpus.megabytes=0.2", "corpus.validation_fraction=0.5", "corpus.workers=1", "tokenizer.vocab_size=400",
    "model.n_layer=2", "model.n_embd=32", "model.n_head=2", "model.context_length=32",
    "train.steps=48", "train.micro_batch_size=8", "train.precision=fp32", "train.device=cpu",
    "train.eval_every=1000", "train.eval_tokens=256", "train.sample_every=0", "train.checkpoint_every=1000",
    "train.log_every=2", "train.keep_checkpoints=20",
)  # fmt: skip
"""A model that trains in a second."""
OTHER = (
    "model.embed=ngram", "model.embed.order=3", "model.embed.rows=1024", "model.head=pointer", "model.norm=layernorm",
    "model.init=zero", "train.optimizer=muon", "train.schedule=linear", "train.sampler=buckets",
)  # fmt: skip
"""The same bugs in another model, with the parts of `mini`: the thresholds were not chosen with this one."""
Batches = Callable[[int], Batch]


def small_recipe() -> Recipe:
    """The recipe in which the bugs are."""
    return mini().override(*SMALL)


@dataclass
class Case:
    """A training with a bug, and what the doctor should call it."""

    name: str
    finding: str
    settings: tuple[str, ...] = ()
    maths: kernels.Kernels | None = None
    loss: Loss | None = None
    batches: Callable[[Batches], Batches] = lambda batches: batches
    optimizer: Optimizer | None = None
    model: Callable[[GPT], None] = lambda model: None
    trainer: Callable[[Trainer], None] = lambda trainer: None
    clock: Callable[[], Callable[[], float]] = field(default=lambda: time.process_time)

    def run(self, data: Dataset, folder: Path, settings: tuple[str, ...] = ()) -> list[str]:
        """Train, with more `settings`, and return the names of what the doctor found, in order."""
        recipe = small_recipe().override(*settings, *self.settings)
        recipe = build.sized(recipe, data)
        model = GPT(recipe.model, self.maths, seed=3).train()
        self.model(model)
        sampler = recipe.train.sampler.build(data.train, recipe.model.context_length, recipe.train.batch_size, 1)
        run = Run.create(folder, recipe.to_json(), {"command": "bench/doctor.py", "dataset": data.summary()})
        config = recipe.train.model_copy(update={"optimizer": self.optimizer or recipe.train.optimizer})
        made = Trainer(
            model, data.tokenizer, self.batches(sampler), lambda: iter([sampler(0)]), config, run,
            recipe_json=recipe.to_json(), precision="fp32", loss=self.loss, clock=self.clock(),
        )  # fmt: skip
        self.trainer(made)
        with contextlib.suppress(Diverged):
            made.train()
        return found(folder)


def found(folder: Path) -> list[str]:
    """The names of the findings of a run, in order."""
    return [event["name"] for event in Run.open(folder).metrics("event") if event["what"] == "doctor"]


def all_visible(q, k, v, visible=None, bias=None, dropout_p=0.0):
    """Attention without the causal mask."""
    return kernels.plain().attention(q, k, v, visible=torch.ones(q.shape[2], k.shape[2], dtype=torch.bool))


class CountsPadding(Loss):
    """The loss of every place, padding too."""

    def nats(self, model, batch):
        return model(batch.ids, targets=batch.targets.clamp(min=0), documents=batch.documents)

    def counted(self, batch):
        return batch.targets.numel()


class ShiftsAgain(Loss):
    """A loss that shifts targets which are shifted already."""

    def nats(self, model, batch):
        targets = torch.cat([batch.targets[:, 1:], torch.full_like(batch.targets[:, :1], IGNORED)], 1)
        return model(batch.ids, targets=targets)

    def counted(self, batch):
        return int((batch.targets[:, 1:] != IGNORED).sum())


class OfLogits(Loss):
    """Its own cross-entropy, asking for the id that was read."""

    def nats(self, model, batch):
        z = model(batch.ids)
        return torch.nn.functional.cross_entropy(z.flatten(0, 1), batch.ids.flatten(), reduction="none").view_as(
            batch.ids
        )


def changed(**change: Callable[[Batch], torch.Tensor]) -> Callable[[Batches], Batches]:
    """Batches with fields computed anew."""
    return lambda batches: lambda step: (b := batches(step)).having(**{name: f(b) for name, f in change.items()})


def padded(batches: Batches) -> Batches:
    """The second half of most rows is padding."""

    def of(step: int) -> Batch:
        batch = batches(step)
        targets = batch.targets.clone()
        targets[2:, 16:] = IGNORED
        return batch.having(targets=targets)

    return of


masked = changed(targets=lambda b: torch.full_like(b.targets, IGNORED))


def always_random(model: GPT) -> None:
    """Dropout that acts in evaluation, too."""
    for part in model.modules():
        if isinstance(part, Dropout):
            part.forward = lambda x: torch.nn.functional.dropout(x, 0.2, training=True)  # type: ignore[method-assign]


@torch.no_grad()
def kill_units(model: GPT) -> None:
    """Biases so low that no ReLU ever opens."""
    for block in model.blocks:
        block.mlp.up_proj.bias.fill_(-50.0)


@torch.no_grad()
def too_large(model: GPT) -> None:
    """First weights thirty times too large."""
    for p in model.parameters():
        p.mul_(30 if p.ndim > 1 else 1)


class Forgets(AdamWConfig):
    """AdamW without the gains and biases, and without the embedding."""

    def build(self, model, kernels=None):
        groups = [group for group in grouped(model, self.group) if "embed.weight" not in group["names"]]
        return AdamW(groups, kernels=kernels or kernels_of(model))


@torch.no_grad()
def draw_anew(model: GPT) -> None:
    """Weights as `nn.Linear` is often initialised, at every depth alike."""
    for name, p in model.named_parameters():
        if p.ndim > 1 and "blocks" in name:
            p.normal_(generator=torch.Generator().manual_seed(0)).mul_(p.shape[1] ** -0.5)


def stand_still(trainer: Trainer) -> None:
    """An optimizer whose step changes nothing."""
    trainer.optimizer.step = lambda closure=None: None  # type: ignore[method-assign]


def detach_block(model: GPT) -> None:
    """The first block's output is cut off from the gradient."""
    forward = model.blocks[0].mlp.forward
    model.blocks[0].mlp.forward = lambda x: forward(x).detach()  # type: ignore[method-assign]


class Clock:
    """Seconds that pass by rule: 0.1 a step, and more where a bug makes it so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def slow(data: float = 0.0, later: float = 0.0) -> Callable[[Trainer], None]:
    """Batches that take `data` seconds, or steps that take `later` seconds longer from step 24 on."""

    def change(trainer: Trainer) -> None:
        clock, batches, update = trainer.clock, trainer.batches, trainer.update
        assert isinstance(clock, Clock)

        def waits(step: int) -> Batch:
            clock.now += data
            return batches(step)

        def works(step: int) -> Any:
            clock.now += 0.1 + (later if step >= 24 else 0)
            return update(step)

        trainer.batches, trainer.update = waits, works  # type: ignore[method-assign]

    return change


def bugs() -> list[Case]:
    """Fifteen that the issue counts, then more."""
    relu = ("model.mlp=relu", "model.bias=true")
    deep = ("model.n_layer=12", "train.steps=30", "train.schedule.warmup_steps=0")
    normless = (*deep, "model.norm=none", "model.mlp=gelu")
    return [
        Case("a mixer without its mask", "not causal", maths=kernels.replace(kernels.fused(), attention=all_visible)),
        Case("targets that are the ids", "targets not shifted", batches=changed(targets=lambda b: b.ids.clone())),
        Case("a loss that shifts targets again", "targets shifted twice", loss=ShiftsAgain()),
        Case("a learning rate 100 times too high", "learning rate too high", ("train.learning_rate=0.4",)),
        Case("a learning rate 1000 times too low", "learning rate too low", ("train.learning_rate=4e-6", "train.steps=64")),
        Case("first weights 30 times too large", "first loss too high", model=too_large),
        Case("a high rate without warmup", "no warmup", ("train.learning_rate=0.4", "train.schedule.warmup_steps=0")),
        Case("ReLUs that never open", "dead units", relu, model=kill_units),
        Case("a loss that counts padding", "padding counted", loss=CountsPadding(), batches=padded),
        Case("the same batch at every step", "repeated data", batches=lambda batches: lambda step: batches(0)),
        Case("targets of other rows", "targets unrelated", batches=changed(targets=lambda b: b.targets.roll(1, 0))),
        Case("dropout in evaluation", "random in evaluation", model=always_random),
        Case("gradients clipped to 1e-6", "gradients clipped away", ("train.grad_clip=1e-6",)),
        Case("a deep net without norms", "activations grow by depth", normless, model=draw_anew),
        Case("an optimizer that forgets a group", "not in the optimizer", optimizer=Forgets()),
        Case("batches that come slowly", "waiting for data", clock=Clock, trainer=slow(data=0.2)),
        Case("steps that become slow", "slower than before", clock=Clock, trainer=slow(later=0.3)),
        Case("targets that are all masked", "no target counts", batches=masked),
        Case("an optimizer that changes nothing", "weights do not move", trainer=stand_still),
        Case("a part cut off from the gradient", "no gradient", model=detach_block),
        Case("a deep net with norms after the sum", "gradients fade by depth", (*deep, "model.residual=post")),
        Case("a loss of its own for the id just read", "targets not shifted", loss=OfLogits()),
    ]  # fmt: skip


HEALTHY: dict[str, tuple[str, tuple[str, ...]]] = {
    "mini": ("mini", ("train.steps=40", "train.micro_batch_size=2", "train.precision=bf16", "train.log_every=2")),
    "speedrun": ("speedrun", ("train.micro_batch_size=16", "train.log_every=2")),
    "speedrun_tokens": ("speedrun_tokens", (
        "train.steps=40", "train.micro_batch_size=2", "train.precision=bf16", "train.log_every=2")),
    "small GPT-2": ("gpt2", (
        "model.n_layer=4", "model.n_head=2", "model.n_embd=64", "model.context_length=64", "tokenizer.vocab_size=512",
        "train.steps=120", "train.micro_batch_size=16", "train.grad_accumulation=1", "train.schedule.warmup_steps=20",
        "model.dropout=0.1", "train.learning_rate=2e-3")),
    "sliding, mamba, MoE": ("mini", (
        *SMALL, "model.mixers=sliding,mamba,full", "model.n_layer=3", "model.mlp=moe", "train.steps=60",
        "train.sampler=packed")),
}  # fmt: skip
"""Recipe and settings of the healthy trainings."""


def healthy(name: str, seed: int, folder: Path) -> list[str]:
    """Train one, in the folder that holds `data/`, and return what the doctor found."""
    preset, settings = HEALTHY[name]
    settings = (
        *settings,
        "train.eval_every=1000000",
        "train.eval_tokens=256",
        "train.sample_every=0",
        f"train.seed={seed}",
    )
    recipe = named(preset).override(*settings)
    launch.train(
        recipe, build.dataset(recipe, lambda *told: None), folder, say=lambda line: None, clock=time.process_time,
        watching=lambda steps, done: contextlib.nullcontext(lambda line: None), argv=["bench/doctor.py"],
    )  # fmt: skip
    return found(folder)
