"""`glass stability`: what makes a deep stack of blocks train or not (Xiong et al., 2020, "On layer normalization").

Tiny models of 2 to 12 layers, the norms before or behind the sum, with and without warmup, three seeds of each; then other
first weights in place of the warmup; and the gradient of every block of 24 layers before the first step. A model that ends
no lower than one that only counts how frequent each token is has learned no order: it is stuck.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glassformer.data.batches import sequential
from glassformer.data.prepare import Progress
from glassformer.data.shards import Dataset
from glassformer.lab.compare import Stopped
from glassformer.lab.compare.budget import probe, unwatched
from glassformer.lab.compare.design import command
from glassformer.recipes import build, launch
from glassformer.recipes.presets import Recipe, mini
from glassformer.runs.run import Run

NORMS = ("pre", "post")
DEPTHS = (2, 6, 12)
DEEPER = 2
"""Gradients are looked at in models so many times as deep as the deepest that is trained: one backward pass is cheap."""
SEEDS = (1, 2, 3)
"""A seed decides the first weights, the batches and their order: runs with and without warmup are pairs."""
INITS = {"flat": "model.init.spread=0.09", "gpt2": "", "fan_in": "", "zero": ""}
"""The first is that of the depths: N(0, 0.09^2) at any depth, Glorot's sqrt(2 / (n_in + n_out)) of the MLP's matrices."""
SETTINGS = (
    "corpus.megabytes=1", "tokenizer.vocab_size=512", "model.n_embd=48", "model.n_head=2", "model.context_length=48",
    "model.norm=layernorm", "model.mlp=relu", "model.head=untied", "train.micro_batch_size=8", "train.precision=fp32",
    "train.optimizer=adamw", "train.schedule=constant", "train.learning_rate=0.003", "train.eval_tokens=4096",
    "train.sample_every=0", "train.log_every=1", "train.keep_checkpoints=1",
)  # fmt: skip
"""The head is untied, or the comparison of first weights is one of heads: from blocks that begin near the identity a tied
post-norm model is stuck without warmup, an untied one trains (LOG.md)."""
WARMUP = 2
"""Without one the rate is at its peak at once; with one it grows over half of the run (Xiong et al.: 4,000 steps)."""


@dataclass(frozen=True)
class Case:
    """One model to train."""

    residual: str
    n_layer: int
    warmup: bool
    init: str = "flat"
    seed: int = SEEDS[0]

    @property
    def name(self) -> str:
        """Of its run folder."""
        return f"{self.residual}-{self.n_layer}-{self.init}{'-warmup' if self.warmup else ''}-{self.seed}"

    def settings(self, steps: int) -> list[str]:
        """Beyond `mini`."""
        knob = [INITS[self.init]] if INITS[self.init] else []
        return [
            *SETTINGS, f"model.residual={self.residual}", f"model.n_layer={self.n_layer}", f"model.init={self.init}", *knob,
            f"train.schedule.warmup_steps={steps // WARMUP if self.warmup else 0}", f"train.steps={steps}",
            f"train.seed={self.seed}", f"train.eval_every={steps}", f"train.checkpoint_every={steps}",
        ]  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of a case."""

    case: Case
    losses: list[float]
    """By step, nats a token."""
    counting: float
    """Nats a token of a model that knows only how frequent each token is."""

    @property
    def final(self) -> float:
        """The mean loss of the last tenth of the steps; infinite where it stopped on numbers that are none."""
        last = self.losses[-max(1, len(self.losses) // 10) :]
        return float(np.mean(last)) if last and all(map(math.isfinite, last)) else math.inf

    @property
    def word(self) -> str:
        """trains, stuck (no better than counting) or diverged (ends above where it began)."""
        if not self.losses or not self.final <= self.losses[0]:  # so that what is no number is caught too
            return "diverged"
        return "trains" if self.final < 0.99 * self.counting else "stuck"


@dataclass(frozen=True)
class Findings:
    """All that the experiment measured."""

    steps: int
    outcomes: list[Outcome]
    gradients: dict[tuple[str, str], list[float]]
    """By norm and init: the norm of each block's gradient before the first step, from the first block to the last."""

    @property
    def counting(self) -> float:
        """The same for all."""
        return self.outcomes[0].counting

    @property
    def depths(self) -> list[int]:
        """Those that were trained."""
        return sorted({outcome.case.n_layer for outcome in self.outcomes})

    def cell(self, residual: str, n_layer: int, warmup: bool, init: str = "flat") -> list[Outcome]:
        """The seeds of one kind of model, in order."""
        wanted = (residual, n_layer, warmup, init)
        return [
            o for o in self.outcomes if (o.case.residual, o.case.n_layer, o.case.warmup, o.case.init) == wanted
        ]  # fmt: skip

    def cells(self) -> list[list[Outcome]]:
        """All of them, in the order of training."""
        kinds = dict.fromkeys((o.case.residual, o.case.n_layer, o.case.warmup, o.case.init) for o in self.outcomes)
        return [self.cell(*kind) for kind in kinds]


def cases(depths: tuple[int, ...] = DEPTHS) -> list[Case]:
    """Norms x depths x warmup x seeds, then post-norm at the greatest depth from the other first weights."""
    first = [
        Case(residual, n, warm, seed=seed)
        for n in depths
        for residual in NORMS
        for warm in (False, True)
        for seed in SEEDS
    ]
    return first + [Case("post", depths[-1], False, init) for init in list(INITS)[1:]]


def words(case: Case, steps: int, folder: Path) -> list[str]:
    """The words after `glass` that train a case."""
    name = (folder / case.name).relative_to("runs").as_posix()
    return ["train", "village", *case.settings(steps), "--recipe", "mini", "--name", name]


def stability(
    folder: Path, minutes: float, *, say: Callable[[str], None], progress: Progress, depths: tuple[int, ...] = DEPTHS
) -> Findings:  # fmt: skip
    """Train every case in a run folder of its own below `folder`, about `minutes` in all. Finished ones are kept, and so is
    the number of steps of a folder that holds some. Raises Stopped.
    """
    planned, base = cases(depths), mini()
    data = build.dataset(base.override(*planned[0].settings(1)), progress)
    kept = folder / planned[0].name
    if (kept / "run.json").exists():
        steps = Run.open(kept).recipe()["train"]["steps"]
        say(f"continuing {folder} with its {steps} steps, whatever --minutes says; another --name begins anew")
    else:
        steps = fitting(planned, data, minutes)
    say(f"{len(planned)} models, {steps} steps each")
    outcomes, counting = [], counting_loss(data)
    for case in planned:
        outcomes.append(Outcome(case, losses(case, steps, folder, data, say=say, progress=progress), counting))
        say(f"{case.name}: {outcomes[-1].word}, loss {outcomes[-1].final:.3f}")
    deep = {(r, init): Case(r, DEEPER * depths[-1], False, init).settings(steps) for r in NORMS for init in INITS}
    return Findings(steps, outcomes, {key: first_gradients(base.override(*own), data) for key, own in deep.items()})


def losses(
    case: Case, steps: int, folder: Path, data: Dataset, *, say: Callable[[str], None], progress: Progress
) -> list[float]:
    """Nats a token by step of a case, which is trained now unless it was before; the last is NaN where it diverged.

    Raises Stopped at Ctrl-C.
    """
    run = folder / case.name
    recipe, argv = mini().override(*case.settings(steps)), words(case, steps, folder)
    outcome = launch.train_or_resume(recipe, data, run, say=say, progress=progress, watching=unwatched, argv=argv)
    if outcome == "interrupted":
        raise Stopped
    values = [line["loss"] for line in Run.open(run).metrics("train")]
    return [*values, math.nan] if any(e["what"] == "nan" for e in Run.open(run).metrics("event")) else values


def fitting(planned: list[Case], data: Dataset, minutes: float) -> int:
    """Steps so that all cases take about `minutes`: a step's time grows by the same amount with each layer."""
    n_layers = [case.n_layer for case in planned]
    low, high = min(n_layers), max(n_layers)
    times = {n: probe(mini().override(*Case("pre", n, False).settings(8)), data, 8)[1] for n in (low, high)}
    each = (times[high] - times[low]) / max(1, high - low)
    a_step = sum(times[low] + each * (n - low) for n in n_layers)
    return min(1000, max(20, round(60 * minutes / a_step)))


def counting_loss(data: Dataset) -> float:
    """The entropy of the training tokens taken one by one."""
    counts = np.bincount(np.asarray(data.train.tokens[: 1 << 20]))
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def first_gradients(recipe: Recipe, data: Dataset) -> list[float]:
    """The norm of the gradient of each block's parameters on the first batch of training text, before any step."""
    recipe = build.sized(recipe, data)
    model = build.build_model(recipe)
    batch = next(iter(sequential(data.train, recipe.model.context_length, recipe.train.micro_batch_size)))
    recipe.train.loss.nats(model, batch).mean().backward()
    return [
        math.sqrt(sum(p.grad.pow(2).sum().item() for p in block.parameters() if p.grad is not None))
        for block in model.blocks
    ]


def commands(findings: Findings, folder: Path) -> list[str]:
    """What trains each case."""
    return [command(words(o.case, findings.steps, folder)) for o in findings.outcomes]
