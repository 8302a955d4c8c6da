"""`glass stability`: what makes a deep stack of blocks train or not (Xiong et al., 2020, "On layer normalization").

Tiny models of 2 to 24 layers, the norms before or behind the sum, with and without warmup, and four ways to draw the
first weights. Three numbers of each: the norm of every block's gradient at the first step, the loss at the end, and the
loss of a model that only counts how frequent each token is. Whoever ends no lower than counting has learned no order.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glassformer import pipeline
from glassformer.compare.budget import probe, unwatched
from glassformer.compare.design import command
from glassformer.data.batches import sequential
from glassformer.data.prepare import Progress
from glassformer.data.shards import Dataset
from glassformer.model.gpt import GPT
from glassformer.presets import Recipe, mini
from glassformer.runs import Run
from glassformer.train.loss import next_token
from glassformer.train.trainer import Diverged

DEPTHS = (2, 6, 12, 24)
INITS = {"flat": "model.init.spread=0.144", "gpt2": "", "fan_in": "", "zero": ""}
"""The first is that of the depths: each matrix N(0, 1 / C), as in the paper, whatever the depth."""
SETTINGS = (
    "corpus.megabytes=1", "tokenizer.vocab_size=512", "model.n_embd=48", "model.n_head=2", "model.context_length=48",
    "model.norm=layernorm", "model.mlp=relu", "train.micro_batch_size=8", "train.precision=fp32", "train.optimizer=adamw",
    "train.schedule=constant", "train.learning_rate=0.003", "train.eval_tokens=4096", "train.sample_every=0",
    "train.log_every=1", "train.keep_checkpoints=1",
)  # fmt: skip
WARMUP = 10
"""Without one the rate is at its peak at once; with one it grows over a tenth of the run."""


@dataclass(frozen=True)
class Case:
    """One model to train."""

    residual: str
    n_layer: int
    warmup: bool
    init: str = "flat"

    @property
    def name(self) -> str:
        """Of its run folder."""
        return f"{self.residual}-{self.n_layer}-{self.init}{'-warmup' if self.warmup else ''}"

    def settings(self, steps: int) -> list[str]:
        """Beyond `mini`."""
        knob = [INITS[self.init]] if INITS[self.init] else []
        return [
            *SETTINGS, f"model.residual={self.residual}", f"model.n_layer={self.n_layer}", f"model.init={self.init}", *knob,
            f"train.schedule.warmup_steps={steps // WARMUP if self.warmup else 0}", f"train.steps={steps}",
            f"train.eval_every={steps}", f"train.checkpoint_every={steps}",
        ]  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of a case."""

    case: Case
    losses: list[float]
    """By step, nats a token."""
    gradients: list[float]
    """The norm of each block's gradient at the first step, from the first block to the last."""
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

    @property
    def slope(self) -> float:
        """The last block's gradient over the first's: above 1 the top is pulled harder, below 1 the bottom."""
        return self.gradients[-1] / self.gradients[0] if self.gradients[0] else math.inf


def cases(depths: tuple[int, ...] = DEPTHS) -> list[Case]:
    """Norms x depths x warmup, then the other inits at the greatest depth."""
    first = [Case(r, n, warm) for n in depths for r in ("pre", "post") for warm in (False, True)]
    return first + [Case(r, depths[-1], False, init) for init in list(INITS)[1:] for r in ("pre", "post")]


def words(case: Case, steps: int, folder: Path) -> list[str]:
    """The words after `glass` that train a case."""
    name = (folder / case.name).relative_to("runs").as_posix()
    return ["train", "village", *case.settings(steps), "--recipe", "mini", "--name", name]


def stability(
    folder: Path, minutes: float, *, say: Callable[[str], None], progress: Progress, depths: tuple[int, ...] = DEPTHS
) -> list[Outcome]:  # fmt: skip
    """Train every case in a run folder of its own below `folder`, about `minutes` in all. Finished ones are kept."""
    planned, base = cases(depths), mini()
    data = pipeline.dataset(base.override(*planned[0].settings(1)), progress)
    kept = folder / planned[0].name
    steps = (
        Run.open(kept).recipe()["train"]["steps"] if (kept / "run.json").exists() else fitting(planned, data, minutes)
    )
    say(f"{len(planned)} models, {steps} steps each")
    outcomes, counting = [], counting_loss(data)
    for case in planned:
        recipe = base.override(*case.settings(steps))
        run = folder / case.name
        if not _complete(run):
            try:
                if (run / "run.json").exists():
                    pipeline.resume(run, say=lambda line: None, progress=progress, watching=unwatched)
                else:
                    pipeline.train(
                        recipe, data, run, say=lambda line: None, watching=unwatched, argv=words(case, steps, folder)
                    )
            except Diverged as error:
                say(f"{case.name}: {error}")
        losses = [line["loss"] for line in Run.open(run).metrics("train")]
        if any(event["what"] == "nan" for event in Run.open(run).metrics("event")):
            losses.append(math.nan)
        outcomes.append(Outcome(case, losses, first_gradients(recipe, data), counting))
        say(f"{case.name}: {outcomes[-1].word}, loss {outcomes[-1].final:.3f}")
    return outcomes


def _complete(run: Path) -> bool:
    """Whether the run has come to an end, good or bad."""
    return (run / "run.json").exists() and any(e["what"] in ("done", "nan") for e in Run.open(run).metrics("event"))


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
    recipe = recipe.override(f"model.vocab_size={data.tokenizer.vocab_size}")
    model = GPT(recipe.model, seed=recipe.train.seed)
    batch = next(iter(sequential(data.train, recipe.model.context_length, recipe.train.micro_batch_size)))
    next_token(model, batch).mean().backward()
    return [
        math.sqrt(sum(p.grad.pow(2).sum().item() for p in block.parameters() if p.grad is not None))
        for block in model.blocks
    ]


def reading(outcomes: list[Outcome]) -> list[str]:
    """What the numbers show, each sentence from the numbers."""
    by = {outcome.case: outcome for outcome in outcomes}
    deepest = max(case.n_layer for case in by)
    depths = sorted({case.n_layer for case in by})
    said = []
    for residual in ("pre", "post"):
        for warm in (False, True):
            good = [n for n in depths if by[Case(residual, n, warm)].word == "trains"]
            bad = [f"{n} ({by[Case(residual, n, warm)].word})" for n in depths if n not in good]
            told = f"trains at {_list(good)} layers" if good else "trains at no depth"
            name = f"{residual}-norm {'with' if warm else 'without'} warmup"
            said.append(f"{name} {told}" + (f", not at {_list(bad)}" if bad else "") + ".")
    pre, post = by[Case("pre", deepest, False)], by[Case("post", deepest, False)]
    for name, one in (("pre", pre), ("post", post)):
        where = "largest at the top" if one.slope > 1.1 else "largest at the bottom" if one.slope < 0.9 else "level"
        said.append(
            f"Gradient at the first step, {name}-norm, {deepest} layers: {where} "
            f"(last block {one.gradients[-1]:.2g}, first {one.gradients[0]:.2g})."
        )
    for residual in ("pre", "post"):
        cold, warmed = by[Case(residual, deepest, False)].final, by[Case(residual, deepest, True)].final
        if math.isfinite(cold) and math.isfinite(warmed):
            word = "lower" if warmed < cold else "higher"
            said.append(f"Warmup at {deepest} layers, {residual}-norm: loss {abs(warmed - cold):.3f} {word}.")
    others = [
        one for case, one in by.items() if case.n_layer == deepest and not case.warmup and math.isfinite(one.final)
    ]
    if others:
        best = min(others, key=lambda one: one.final)
        said.append(
            f"The best start at {deepest} layers is {best.case.init} with {best.case.residual}-norm ({best.final:.3f})."
        )
    return said


def _list(items: list[Any]) -> str:
    return ", ".join(map(str, items))


def to_rows(outcomes: list[Outcome]) -> list[list[str]]:
    """A table as text."""
    return [
        [o.case.residual, str(o.case.n_layer), "yes" if o.case.warmup else "no", o.case.init, o.word, f"{o.final:.3f}",
         f"{o.gradients[0]:.3g}", f"{o.gradients[-1]:.3g}"]
        for o in outcomes
    ]  # fmt: skip


HEADER = ["norm", "layers", "warmup", "init", "outcome", "final loss", "gradient, first block", "last block"]


def commands(outcomes: list[Outcome], folder: Path) -> list[str]:
    """What trains each case."""
    return [command(words(o.case, len(o.losses), folder)) for o in outcomes]
