"""What the numbers of `glass stability` show. Every sentence follows from them, so an experiment that fails says so."""

import math
import statistics
from collections import Counter

from glassformer.lab.compare.statistics import ALPHA, Difference, holm, paired
from glassformer.lab.stability import NORMS, Findings, Outcome

HEADER = ["norm", "layers", "warmup", "init", "outcome", "final loss", "lowest", "highest"]


def word(cell: list[Outcome]) -> str:
    """What became of the seeds of one kind of model: "stuck", or "trains 2, stuck 1" where they differ."""
    counts = Counter(outcome.word for outcome in cell)
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{name} {n}" for name, n in counts.most_common())


def final(cell: list[Outcome]) -> float:
    """The mean loss at the end, nats a token."""
    return statistics.fmean(outcome.final for outcome in cell)


def to_rows(findings: Findings) -> list[list[str]]:
    """A table as text, a row for each kind of model."""
    rows = []
    for cell in findings.cells():
        case, ends = cell[0].case, [outcome.final for outcome in cell]
        numbers = [f"{value:.3f}" for value in (final(cell), min(ends), max(ends))]
        rows.append([case.residual, str(case.n_layer), "yes" if case.warmup else "no", case.init, word(cell), *numbers])
    return rows


def counting(findings: Findings) -> str:
    """What the words of the table mean."""
    return (
        f"Stuck: ends no lower than counting how frequent each token is ({findings.counting:.3f} nats a token). "
        f"Diverged: ends above where it began, or on numbers that are none. Final loss: over the last tenth of the "
        f"{findings.steps} steps, the mean of the seeds; lowest and highest: single seeds."
    )


def verdict(findings: Findings) -> str:
    """One sentence: whether warmup decides if post-norm trains, and whether pre-norm needs it."""
    deepest = findings.depths[-1]
    if word(findings.cell("pre", deepest, False)) != "trains":
        told = f"not even pre-norm trains at {deepest} layers without warmup"
        return f"{findings.steps} steps show nothing: {told}. Give it more --minutes and another --name."
    for n in reversed(findings.depths):
        cold, warm = findings.cell("post", n, False), findings.cell("post", n, True)
        surely = _paired(cold, warm)
        if surely and surely.high < 0 and word(warm) == "trains" and not any(o.word == "trains" for o in cold):
            pre = [findings.cell("pre", n, warmup) for warmup in (False, True)]
            return (
                f"At {n} layers post-norm needs warmup: in each of {len(warm)} seeds it trains with one and not without "
                f"({final(warm):.2f} nats a token; without {final(cold):.2f}, {word(cold)}). "
                f"Pre-norm without: {word(pre[0])} ({final(pre[0]):.2f}), with: {word(pre[1])} ({final(pre[1]):.2f})."
            )
    return (
        f"In {findings.steps} steps warmup decided at no depth in every seed and beyond chance whether post-norm trains; "
        "below 200 steps that may be because they are few."
    )


def reading(findings: Findings) -> list[str]:
    """What else the numbers show."""
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
    """What warmup changes, in nats a token; None where a run has diverged."""
    ends = [[outcome.final for outcome in cell] for cell in (cold, warm)]
    if not all(map(math.isfinite, ends[0] + ends[1])):
        return None
    d, scale = paired(*ends), statistics.fmean(ends[0])  # it gives shares of the mean
    return Difference(scale * d.mean, scale * d.low, scale * d.high, d.p, d.seeds)


def _warmups(findings: Findings) -> list[str]:
    """What warmup changes in the loss, by depth and norm, all tested together."""
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
            interval += f"; alone it would count, among {len(found)} comparisons it may be chance (Holm)"
        told = f"changes the loss by {d.mean:+.2f} nats" if counts else "no difference shown"
        said.append(f"Warmup, {n} layers, {residual}-norm: {told} ({interval}).")
    return said


def _gradients(findings: Findings) -> list[str]:
    """Where each norm pulls hardest before the first step."""
    said = []
    for residual in NORMS:
        norms = findings.gradients[residual, "flat"]
        slope = norms[-1] / norms[0] if norms[0] else math.inf
        where = "largest at the top" if slope > 1.1 else "largest at the bottom" if slope < 0.9 else "level"
        said.append(
            f"Gradient before the first step, {residual}-norm, {len(norms)} layers: {where} "
            f"(last block {norms[-1]:.2g}, first {norms[0]:.2g}; one seed)."
        )
    return said


def _first_weights(findings: Findings) -> list[str]:
    """Whether other first weights do what warmup does."""
    n = findings.depths[-1]
    alone = [cell[0] for cell in findings.cells() if cell[0].case.init != "flat"]
    told = ", ".join(f"{o.case.init} {o.word} ({o.final:.2f})" for o in [findings.cell("post", n, False)[0], *alone])
    return [f"Post-norm at {n} layers without warmup, from other first weights (one seed): {told}."]
