"""What the numbers of `glass stability` show, in sentences, a table and curves. Every sentence follows from the
numbers, so an experiment that shows nothing says so."""

import math
import statistics
from collections import Counter

from glassformer.lab.compare.statistics import ALPHA, Difference, holm, paired
from glassformer.lab.stability import NORMS, Findings, Outcome
from glassformer.pages.chart import Point

HEADER = ["norm", "layers", "warmup", "init", "outcome", "final loss", "lowest", "highest"]
AVERAGED = 10
"""Steps of which a point of a curve is the mean: the loss of a batch of eight rows is noisy."""


def word(cell: list[Outcome]) -> str:
    """The outcome of one kind of model: "stuck" if all seeds agree, or "trains 2, stuck 1" if they differ."""
    counts = Counter(outcome.word for outcome in cell)
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{name} {n}" for name, n in counts.most_common())


def final(cell: list[Outcome]) -> float:
    """The mean loss at the end, in nats per token."""
    return statistics.fmean(outcome.final for outcome in cell)


def curve(cell: list[Outcome]) -> list[Point]:
    """Training losses of one kind of model: means of AVERAGED steps and all seeds, as far as the longest run goes."""
    longest, points = max(len(outcome.losses) for outcome in cell), []
    for i in range(0, longest, AVERAGED):
        part = [loss for outcome in cell for loss in outcome.losses[i : i + AVERAGED]]
        points.append(Point(min(i + AVERAGED, longest), statistics.fmean(part)))
    return points


def to_rows(findings: Findings) -> list[list[str]]:
    """The table as text: a row for each kind of model."""
    rows = []
    for cell in findings.cells():
        case, ends = cell[0].case, [outcome.final for outcome in cell]
        numbers = [f"{value:.3f}" for value in (final(cell), min(ends), max(ends))]
        rows.append([case.residual, str(case.n_layer), "yes" if case.warmup else "no", case.init, word(cell), *numbers])
    return rows


def counting(findings: Findings) -> str:
    """What the words of the table mean."""
    return (
        f"Stuck: the loss ends no lower than that of counting how frequent each token is ({findings.counting:.3f} nats per "
        f"token). Diverged: the loss ends above where it began, or is not a finite number. Final loss: the mean over the "
        f"last tenth of the {findings.steps} steps and over the seeds; lowest and highest: of single seeds."
    )


def verdict(findings: Findings) -> str:
    """One sentence: whether warmup decides if post-norm trains, and whether pre-norm needs it."""
    deepest = findings.depths[-1]
    if word(findings.cell("pre", deepest, False)) != "trains":
        told = f"not even pre-norm trains at {deepest} layers without warmup"
        return f"{findings.steps} steps are too few to show anything: {told}. Give more --minutes and another --name."
    for n in reversed(findings.depths):
        cold, warm = findings.cell("post", n, False), findings.cell("post", n, True)
        surely = _paired(cold, warm)
        if surely and surely.high < 0 and word(warm) == "trains" and not any(o.word == "trains" for o in cold):
            pre = [findings.cell("pre", n, warmup) for warmup in (False, True)]
            return (
                f"At {n} layers post-norm needs warmup: with each of {len(warm)} seeds it trains with warmup "
                f"({final(warm):.2f} nats per token) and does not without ({final(cold):.2f}, {word(cold)}). "
                f"Pre-norm: {word(pre[0])} without warmup ({final(pre[0]):.2f}), {word(pre[1])} with it "
                f"({final(pre[1]):.2f})."
            )
    return (
        f"In {findings.steps} steps there was no depth at which warmup decided, with every seed and beyond chance, whether "
        "post-norm trains. With fewer than 200 steps the run may have been too short to show it."
    )


def reading(findings: Findings) -> list[str]:
    """What else the numbers show, one sentence each."""
    return [*_who_trains(findings), *_warmups(findings), *_gradients(findings), *_first_weights(findings)]


def _who_trains(findings: Findings) -> list[str]:
    said = []
    for residual in NORMS:
        for warm in (False, True):
            cells = {n: findings.cell(residual, n, warm) for n in findings.depths}
            good = [str(n) for n, cell in cells.items() if word(cell) == "trains"]
            bad = [f"{n} ({word(cell)})" for n, cell in cells.items() if str(n) not in good]
            told = f"trains at {', '.join(good)} layers" if good else "trains at no depth"
            name = f"{residual}-norm {'with' if warm else 'without'} warmup"
            said.append(f"{name} {told}" + (f", not at {', '.join(bad)}" if bad else "") + ".")
    return said


def _paired(cold: list[Outcome], warm: list[Outcome]) -> Difference | None:
    """How much warmup changes the final loss, in nats per token; None if a run diverged."""
    ends = [[outcome.final for outcome in cell] for cell in (cold, warm)]
    if not all(map(math.isfinite, ends[0] + ends[1])):
        return None
    d, scale = paired(*ends), statistics.fmean(ends[0])  # `paired` gives shares of the mean
    return Difference(scale * d.mean, scale * d.low, scale * d.high, d.p, d.seeds)


def _warmups(findings: Findings) -> list[str]:
    """How much warmup changes the loss at each depth and norm. All are tested together (Holm)."""
    found: dict[tuple[int, str], Difference] = {}
    for n in findings.depths:
        for residual in NORMS:
            d = _paired(findings.cell(residual, n, False), findings.cell(residual, n, True))
            if d is not None:
                found[n, residual] = d
    said = []
    for ((n, residual), d), counts in zip(found.items(), holm([d.p for d in found.values()])):
        interval = f"98 % interval {d.low:+.2f} to {d.high:+.2f}, {d.seeds} seeds"
        if not counts and d.p <= ALPHA:
            interval += f"; tested alone it would count, but among {len(found)} comparisons it may be chance (Holm)"
        told = f"changes the loss by {d.mean:+.2f} nats" if counts else "no difference shown"
        said.append(f"Warmup, {n} layers, {residual}-norm: {told} ({interval}).")
    return said


def _gradients(findings: Findings) -> list[str]:
    """In which blocks the gradient is largest before the first step, for each norm."""
    said = []
    for residual in NORMS:
        norms = findings.gradients[residual, "flat"]
        slope = norms[-1] / norms[0] if norms[0] else math.inf
        where = "largest in the last blocks" if slope > 1.1 else "largest in the first blocks" if slope < 0.9 else "level"
        said.append(
            f"Gradient before the first step, {residual}-norm, {len(norms)} layers: {where} "
            f"(last block {norms[-1]:.2g}, first {norms[0]:.2g}; one seed)."
        )
    return said


def _first_weights(findings: Findings) -> list[str]:
    """Whether another initialisation makes up for missing warmup."""
    n = findings.depths[-1]
    alone = [cell[0] for cell in findings.cells() if cell[0].case.init != "flat"]
    told = ", ".join(f"{o.case.init} {o.word} ({o.final:.2f})" for o in [findings.cell("post", n, False)[0], *alone])
    return [f"Post-norm at {n} layers without warmup, from other initial weights (one seed): {told}."]
