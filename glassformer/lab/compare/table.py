"""The table of a comparison as text: one row for each model, the same on the terminal and on the page."""

import statistics

from glassformer.lab.compare import Result
from glassformer.lab.compare.design import Design
from glassformer.lab.compare.measure import LENGTHS, Measured

VILLAGE = {
    "name_said": "nats per name already said", "name_unsaid": "nats per name not yet said",
    "understood": "sentences understood", "consistent": "claims consistent",
}  # fmt: skip
"""What is measured of models of the village only, and how the columns are called."""


def table(design: Design, results: list[Result]) -> tuple[list[str], list[list[str]]]:
    """(header, rows). The columns of names and stories are there only if these were measured."""
    runs = [run for result in results for run in result.runs]
    shown = [name for name in VILLAGE if any(getattr(run, name) is not None for run in runs)]
    header = ["", "bits per byte", *[f"at {k}x" for k in LENGTHS[1:]], *[VILLAGE[name] for name in shown],
              "parameters", "steps", "tokens/s", "memory"]  # fmt: skip
    return header, [_row(result, shown) for result in results]


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


def _row(result: Result, shown: list[str]) -> list[str]:
    entry, runs = result.entry, result.runs
    peak = max((run.memory_gb for run in runs if run.memory_gb is not None), default=entry.memory / 2**30)
    return [
        entry.label, spread([run.bpb for run in runs]), *[_at_length(runs, k) for k in LENGTHS[1:]],
        *[_village(name, [getattr(run, name) for run in runs]) for name in shown],
        f"{entry.parameters:,}", f"{entry.steps:,}", f"{statistics.median(run.tokens_per_s for run in runs):,.0f}",
        f"{1024 * peak:,.1f} MiB" if peak < 1 else f"{peak:.2f} GiB",
    ]  # fmt: skip


def _at_length(runs: list[Measured], k: int) -> str:
    """Bits per byte in windows of `k` training contexts, or why there is no number."""
    if all(run.bpb is None for run in runs):
        return "-"
    mean = _mean([run.lengths[str(k)] for run in runs])
    return "cannot" if mean is None else f"{mean:.3f}"


def _village(name: str, values: list[float | None]) -> str:
    """The mean over the seeds and, of more than one, the standard deviation, in nats or in percent."""
    there, nats = [value for value in values if value is not None], name.startswith("name")
    if not there:
        return "-"
    scale, digits = (1, 2) if nats else (100, 0)
    spread = f" ± {scale * statistics.stdev(there):.{digits}f}" if len(there) > 1 else ""
    return f"{scale * statistics.fmean(there):.{digits}f}{spread}{'' if nats else ' %'}"


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return statistics.fmean(there) if there else None
