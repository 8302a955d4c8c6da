"""The curves of a comparison: what all seeds of one model logged, averaged step by step."""

import statistics
from pathlib import Path
from typing import Any

from glassformer.lab.compare.design import Design, Entry
from glassformer.pages.chart import Point
from glassformer.runs.run import Run


def curve(folder: Path, design: Design, entry: Entry, kind: str, key: str) -> list[Point]:
    """The logged values `key` of the lines of one `kind` ("train", "eval"), averaged over the seeds of a model."""
    return mean_curve([Run.open(folder / f"{entry.name}-{seed}").metrics(kind) for seed in design.seeds], key)


def mean_curve(runs: list[list[dict[str, Any]]], key: str) -> list[Point]:
    """The mean over the runs at each step that every run logged."""
    tables = [{row["step"]: row[key] for row in rows} for rows in runs]
    steps = sorted(set(tables[0]).intersection(*tables[1:]))
    return [Point(step, statistics.fmean(table[step] for table in tables)) for step in steps]
