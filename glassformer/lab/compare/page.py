"""`compare.html`: the comparison on one page that opens offline, in the style of the run reports."""

from pathlib import Path
from typing import Any

import glassformer
from glassformer.lab.compare import Result
from glassformer.lab.compare.curves import curve
from glassformer.lab.compare.design import Design, budget_sentence, command, warnings
from glassformer.lab.compare.statistics import percent
from glassformer.lab.compare.table import table
from glassformer.pages.chart import Line, chart, intervals
from glassformer.pages.frame import homeless, render
from glassformer.system.files import write_atomic

COLOURS = 6
"""There are styles v0 to v5 in curves.css; a seventh line takes v0 again."""


def write_page(folder: Path, design: Design, results: list[Result]) -> Path:
    """Write the page into the comparison's folder, below runs/, and return its path."""
    header, rows = table(design, results)
    name = folder.relative_to("runs").as_posix()
    values = {
        "name": name, "budget": budget_sentence(design), "notes": warnings(design), "header": header,
        "rows": rows, "verdicts": [result.verdict for result in results[1:]], "charts": charts(folder, design, results),
        "differences": differences(results),
        "seeds": design.question.seeds, "version": glassformer.__version__,
        "commands": [command(design.words(r.entry, seed, f"{name}/{r.entry.name}-{seed}"))
                     for r in results for seed in design.seeds],
    }  # fmt: skip
    path = folder / "compare.html"
    write_atomic(path, render(Path(__file__).with_name("compare.html"), homeless(values)))
    return path


def differences(results: list[Result]) -> list[dict[str, Any]]:
    """Each difference that has an interval, as numbers and as a drawing."""
    found = [(r.entry.label, r.difference) for r in results if r.difference and r.difference.seeds > 1]
    texts = [
        f"{percent(d.mean, '+')} % ({percent(d.low, '+')} to {percent(d.high, '+')}), p = {d.p:.2g}" for _, d in found
    ]
    drawn = intervals([(label, d.low, d.mean, d.high) for label, d in found])
    return [{**one, "text": text} for one, text in zip(drawn, texts, strict=True)]


def charts(folder: Path, design: Design, results: list[Result]) -> list[dict[str, Any]]:
    """Bits per byte of held-out text and gradient norm: the mean over the seeds at each logged step.

    The training loss is not drawn, because it would compare unlike things: it includes auxiliary losses (load
    balancing, multi-token prediction), and in another vocabulary a token is another piece of text.
    """
    last = max(result.entry.steps for result in results)
    wanted = (
        (
            "eval",
            "bpb",
            "Bits per byte",
            "On held-out text, as each run measured it while training (its context length and vocabulary decide which "
            "part of the text), mean over the seeds. Lower is better.",
        ),
        ("train", "grad_norm", "Gradient norm", "Before clipping, mean over the seeds."),
    )
    drawn = []
    for kind, key, title, meaning in wanted:
        lines = [
            Line(result.entry.label, f"v{n % COLOURS}", curve(folder, design, result.entry, kind, key))
            for n, result in enumerate(results)
        ]
        drawn.append(chart(title, meaning, lines, last, log=True))
    return [one for one in drawn if one]
