"""`compare.html`: the comparison on one page that opens offline, in the style of the run reports."""

import statistics
from pathlib import Path
from typing import Any

import glassformer
from glassformer.lab.compare import Result
from glassformer.lab.compare.design import Design, budget_sentence, command, warnings
from glassformer.lab.compare.statistics import percent
from glassformer.pages.chart import Line, Point, chart
from glassformer.pages.frame import render
from glassformer.runs.run import Run
from glassformer.system.files import write_atomic

COLOURS = 6
"""Styles v0 .. v5 of curves.css; more lines begin again."""


def write_page(folder: Path, design: Design, results: list[Result]) -> Path:
    """Write the page into the comparison's folder, below runs/, and return its path."""
    from glassformer.lab.compare.terminal import cells

    header, rows = cells(design, results)
    name = folder.relative_to("runs").as_posix()
    values = {
        "name": name, "budget": budget_sentence(design), "notes": warnings(design), "header": header,
        "rows": rows, "verdicts": [result.verdict for result in results[1:]], "charts": charts(folder, design, results),
        "intervals": intervals(results), "seeds": design.question.seeds, "version": glassformer.__version__,
        "commands": [command(design.words(r.entry, seed, f"{name}/{r.entry.name}-{seed}"))
                     for r in results for seed in design.seeds],
    }  # fmt: skip
    path = folder / "compare.html"
    write_atomic(path, render(Path(__file__).with_name("compare.html"), values))
    return path


def charts(folder: Path, design: Design, results: list[Result]) -> list[dict[str, Any]]:
    """Bits per byte of held-out text and gradient norm: the mean over the seeds at each logged step.

    Not the training loss: it holds what experts and farther heads ask for, and a token is another piece of text in another
    vocabulary, so its curves would compare unlike things.
    """
    last = max(result.entry.steps for result in results)
    wanted = (
        (
            "eval",
            "bpb",
            "Bits per byte",
            "Of held-out text, as each run read it while training (its context length and vocabulary choose which), mean "
            "over the seeds. Lower is better.",
        ),
        ("train", "grad_norm", "Gradient norm", "Before clipping, mean over the seeds."),
    )
    drawn = []
    for kind, key, title, meaning in wanted:
        lines = []
        for n, result in enumerate(results):
            runs = [Run.open(folder / f"{result.entry.name}-{seed}").metrics(kind) for seed in design.seeds]
            lines.append(Line(result.entry.label, f"v{n % COLOURS}", mean_curve(runs, key)))
        drawn.append(chart(title, meaning, lines, last, log=True))
    return [one for one in drawn if one]


def mean_curve(runs: list[list[dict[str, Any]]], key: str) -> list[Point]:
    """At each step that all runs logged, the mean of their values."""
    tables = [{row["step"]: row[key] for row in rows} for rows in runs]
    steps = sorted(set(tables[0]).intersection(*tables[1:]))
    return [Point(step, statistics.fmean(table[step] for table in tables)) for step in steps]


def intervals(results: list[Result]) -> list[dict[str, Any]]:
    """Each difference and its interval as places (0 to 100) on one axis that holds them all and 0."""
    found = [(r.entry.label, r.difference) for r in results if r.difference and r.difference.seeds > 1]
    reach = max((max(abs(d.low), abs(d.high)) for _, d in found), default=0.0) * 1.1 or 0.01

    def at(share: float) -> float:
        return 50 + 50 * share / reach

    return [
        {"label": label, "low": at(d.low), "high": at(d.high), "mean": at(d.mean),
         "text": f"{percent(d.mean, '+')} % ({percent(d.low, '+')} to {percent(d.high, '+')}), p = {d.p:.2g}"}
        for label, d in found
    ]  # fmt: skip
