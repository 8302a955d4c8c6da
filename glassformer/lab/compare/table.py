"""The table of a comparison as text: one row for each model, the same on the terminal and on the page."""

import statistics

from glassformer.lab.compare import Result
from glassformer.lab.compare.design import Design
from glassformer.lab.compare.measure import LENGTHS, Measured


def table(design: Design, results: list[Result]) -> tuple[list[str], list[list[str]]]:
    """(header, rows). The story columns are there only if stories were judged."""
    told = any(run.understood is not None for result in results for run in result.runs)
    header = ["", "bits per byte", *[f"at {k}x" for k in LENGTHS[1:]],
              *["sentences understood", "claims consistent"] * told,
              "parameters", "steps", "tokens/s", "memory"]  # fmt: skip
    return header, [_row(result, told) for result in results]


def spread(values: list[float | None]) -> str:
    """The mean and standard deviation of the runs that did not diverge, and how many did.

    >>> spread([1.0, 1.2, None])
    '1.1000 ± 0.1414 (1 diverged)'
    """
    there = [value for value in values if value is not None]
    if len(there) < 2:
        return f"{there[0]:.4f}" if there else "diverged"
    lost = f" ({len(values) - len(there)} diverged)" if len(there) < len(values) else ""
    return f"{statistics.fmean(there):.4f} ± {statistics.stdev(there):.4f}{lost}"


def _row(result: Result, told: bool) -> list[str]:
    entry, runs = result.entry, result.runs
    shares = [_mean([run.understood for run in runs]), _mean([run.consistent for run in runs])]
    peak = max((run.memory_gb for run in runs if run.memory_gb is not None), default=entry.memory / 2**30)
    return [
        entry.label, spread([run.bpb for run in runs]), *[_at_length(runs, k) for k in LENGTHS[1:]],
        *["-" if share is None else f"{share:.0%}" for share in shares] * told,
        f"{entry.parameters:,}", f"{entry.steps:,}", f"{statistics.median(run.tokens_per_s for run in runs):,.0f}",
        f"{1024 * peak:,.1f} MiB" if peak < 1 else f"{peak:.2f} GiB",
    ]  # fmt: skip


def _at_length(runs: list[Measured], k: int) -> str:
    """Bits per byte in windows of `k` training contexts, or why there is no number."""
    if all(run.bpb is None for run in runs):
        return "-"
    mean = _mean([run.lengths[str(k)] for run in runs])
    return "cannot" if mean is None else f"{mean:.3f}"


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return statistics.fmean(there) if there else None
