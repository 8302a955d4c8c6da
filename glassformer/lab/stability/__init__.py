"""`glass stability`: which deep models train? (After Xiong et al., 2020, "On layer normalization in the Transformer".)

Tiny models of 2 to 12 layers are trained, with the norms before each part of a block (pre) or after the sum (post),
with and without warmup, with three seeds each. Then post-norm models are trained without warmup from other initial
weights, and the gradient of every block of a 24-layer model is measured before the first step. A model whose loss ends
no lower than the entropy of single tokens has learned nothing about their order: it is called stuck.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glassformer.data.batches import sequential
from glassformer.data.prepare import Progress
from glassformer.data.shards import Dataset
from glassformer.errors import Stopped
from glassformer.lab.compare.budget import STOPPED, probe, unwatched
from glassformer.lab.compare.design import command
from glassformer.recipes import build, launch
from glassformer.recipes.presets import Recipe, mini
from glassformer.runs.run import Run

NORMS = ("pre", "post")
DEPTHS = (2, 6, 12)
DEEPER = 2
"""Gradients are measured in models this many times deeper than the deepest one trained, since one backward pass is
cheap."""
SEEDS = (1, 2, 3)
"""A seed decides the initial weights, the batches and their order, so runs with and without warmup form pairs."""
INITS = {"flat": "model.init.spread=0.09", "gpt2": "", "fan_in": "", "zero": ""}
"""Initialisations and their settings. The first is used at all depths: N(0, 0.09^2), which for the matrices of the MLP
is Glorot's sqrt(2 / (n_in + n_out))."""
SETTINGS = (
    "corpus.megabytes=1", "tokenizer.vocab_size=512", "model.n_embd=48", "model.n_head=2", "model.context_length=48",
    "model.embed=token", "model.norm=layernorm", "model.mlp=relu", "model.head=untied", "train.micro_batch_size=8",
    "train.sampler=windows", "train.precision=fp32", "train.optimizer=adamw", "train.schedule=constant",
    "train.learning_rate=0.003", "train.eval_tokens=4096",
    "train.sample_every=0", "train.log_every=1", "train.keep_checkpoints=1",
)  # fmt: skip
"""The head is untied, because otherwise the comparison of initialisations would become one of heads: if blocks begin
near the identity, a post-norm model without warmup is stuck with a tied head and trains with an untied one (LOG.md)."""
WARMUP = 2
"""Warmup lasts 1 / WARMUP of the run, so the learning rate grows over the first half (Xiong et al.: 4,000 steps).
Without warmup the rate is at its peak from the first step."""


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
        """The name of its run folder."""
        return f"{self.residual}-{self.n_layer}-{self.init}{'-warmup' if self.warmup else ''}-{self.seed}"

    def settings(self, steps: int) -> list[str]:
        """The settings that make its recipe out of `mini`."""
        knob = [INITS[self.init]] if INITS[self.init] else []
        return [
            *SETTINGS, f"model.residual={self.residual}", f"model.n_layer={self.n_layer}", f"model.init={self.init}", *knob,
            f"train.schedule.warmup_steps={steps // WARMUP if self.warmup else 0}", f"train.steps={steps}",
            f"train.seed={self.seed}", f"train.eval_every={steps}", f"train.checkpoint_every={steps}",
        ]  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """The losses of one case, and what they show."""

    case: Case
    losses: list[float]
    """The training loss of each step, in nats per token."""
    counting: float
    """The loss of a model that knows only how frequent each token is, in nats per token."""

    @property
    def final(self) -> float:
        """The mean loss of the last tenth of the steps; infinite if a loss was not a finite number."""
        last = self.losses[-max(1, len(self.losses) // 10) :]
        return float(np.mean(last)) if last and all(map(math.isfinite, last)) else math.inf

    @property
    def word(self) -> str:
        """trains, stuck (no better than counting) or diverged (ends above where it began)."""
        if not self.losses or not self.final <= self.losses[0]:  # written so that NaN counts as diverged
            return "diverged"
        return "trains" if self.final < 0.99 * self.counting else "stuck"


@dataclass(frozen=True)
class Findings:
    """Everything that the experiment measured."""

    steps: int
    outcomes: list[Outcome]
    gradients: dict[tuple[str, str], list[float]]
    """By norm and initialisation: the gradient norm of each block before the first step, from the first block to the
    last."""

    @property
    def counting(self) -> float:
        """The loss of counting, which is the same for all outcomes."""
        return self.outcomes[0].counting

    @property
    def depths(self) -> list[int]:
        """The depths of the models trained, in increasing order."""
        return sorted({outcome.case.n_layer for outcome in self.outcomes})

    def cell(self, residual: str, n_layer: int, warmup: bool, init: str = "flat") -> list[Outcome]:
        """The outcomes of one kind of model, one for each seed."""
        wanted = (residual, n_layer, warmup, init)
        return [
            o for o in self.outcomes if (o.case.residual, o.case.n_layer, o.case.warmup, o.case.init) == wanted
        ]  # fmt: skip

    def cells(self) -> list[list[Outcome]]:
        """The outcomes of each kind of model, in the order of training."""
        kinds = dict.fromkeys((o.case.residual, o.case.n_layer, o.case.warmup, o.case.init) for o in self.outcomes)
        return [self.cell(*kind) for kind in kinds]


def cases(depths: tuple[int, ...] = DEPTHS) -> list[Case]:
    """Norms x depths x warmup x seeds, then post-norm at the greatest depth from the other initialisations."""
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
    """Train every case in a run folder of its own below `folder`, for about `minutes` in all. Runs that are finished
    are kept; if there are any, the others get as many steps. Raises Stopped at Ctrl-C.
    """
    planned, base = cases(depths), mini()
    data = build.dataset(base.override(*planned[0].settings(1)), progress)
    kept = folder / planned[0].name
    if (kept / "run.json").exists():
        steps = Run.open(kept).recipe()["train"]["steps"]
        say(f"continuing {folder} with its {steps} steps and ignoring --minutes; choose another --name to start anew")
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
    """The loss of each step of a case, in nats per token; NaN follows if it diverged. It is trained now unless it was
    before.

    Raises Stopped at Ctrl-C.
    """
    run = folder / case.name
    recipe, argv = mini().override(*case.settings(steps)), words(case, steps, folder)
    outcome = launch.train_or_resume(recipe, data, run, say=say, progress=progress, watching=unwatched, argv=argv)
    if outcome == "interrupted":
        raise Stopped(STOPPED)
    values = [line["loss"] for line in Run.open(run).metrics("train")]
    return [*values, math.nan] if any(e["what"] == "nan" for e in Run.open(run).metrics("event")) else values


def fitting(planned: list[Case], data: Dataset, minutes: float) -> int:
    """The number of steps with which all cases take about `minutes`. Two depths are timed; each layer is taken to add
    the same time to a step."""
    n_layers = [case.n_layer for case in planned]
    low, high = min(n_layers), max(n_layers)
    times = {n: probe(mini().override(*Case("pre", n, False).settings(8)), data, 8)[1] for n in (low, high)}
    each = (times[high] - times[low]) / max(1, high - low)
    a_step = sum(times[low] + each * (n - low) for n in n_layers)
    return min(1000, max(20, round(60 * minutes / a_step)))


def counting_loss(data: Dataset) -> float:
    """The entropy of single training tokens, in nats: the loss of a model that only counts how frequent each token
    is."""
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
    """The command that trains each case."""
    return [command(words(o.case, findings.steps, folder)) for o in findings.outcomes]
