"""`glass stability` on a terminal and as `stability.html`."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import glassformer
from glassformer.compare.stability import HEADER, INITS, Outcome, commands, reading, stability, to_rows
from glassformer.files import write_atomic
from glassformer.report import render
from glassformer.report.chart import Axis, Line, Point, chart

STYLE = {"trains": "green", "stuck": "yellow", "diverged": "red"}


def run(console: Console, minutes: float, name: str | None, progress: Any) -> None:
    """Run the experiment, print, write the page. Raises GlassError."""
    folder = Path("runs") / (name or "stability")

    def say(line: str) -> None:
        console.print(line, style="dim", markup=False, soft_wrap=True)

    with progress() as report_progress:
        outcomes = stability(folder, minutes, say=say, progress=report_progress)
    table = Table(title="who trains", title_justify="left", box=None, header_style="bold")
    for i, column in enumerate(HEADER):
        table.add_column(column, justify="right" if i in (1, 5, 6, 7) else "left")
    for row in to_rows(outcomes):
        table.add_row(*row[:4], f"[{STYLE[row[4]]}]{row[4]}[/]", *row[5:])
    console.print(table)
    for sentence in [counting(outcomes), *reading(outcomes)]:
        console.print(escape(sentence), soft_wrap=True)
    console.print(f"Curves and commands: {write_page(folder, outcomes)}", markup=False, soft_wrap=True)


def counting(outcomes: list[Outcome]) -> str:
    """What the words of the table mean."""
    return (
        f"Stuck: ends no lower than counting how frequent each token is ({outcomes[0].counting:.3f} nats a token). "
        "Diverged: ends above where it began, or on numbers that are none. One seed."
    )


def write_page(folder: Path, outcomes: list[Outcome]) -> Path:
    """Write the page into the experiment's folder and return its path."""
    path = folder / "stability.html"
    values = {
        "header": HEADER, "rows": to_rows(outcomes), "counting": counting(outcomes), "reading": reading(outcomes),
        "charts": charts(outcomes), "commands": commands(outcomes, folder), "version": glassformer.__version__,
    }  # fmt: skip
    write_atomic(path, render(Path(__file__).with_name("stability.html"), values))
    return path


def charts(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """Losses by depth, losses by init, and the gradient of each block at the first step."""
    steps, depths = max(len(o.losses) for o in outcomes), sorted({o.case.n_layer for o in outcomes})
    deepest, counted, drawn = depths[-1], {"counting": outcomes[0].counting}, []
    for depth in depths:
        shown = [o for o in outcomes if o.case.n_layer == depth and o.case.init == next(iter(INITS))]
        lines = [
            _line(f"{o.case.residual}{', warmup' if o.case.warmup else ''}", n, _losses(o)) for n, o in enumerate(shown)
        ]
        meaning = (
            "Training loss, nats a token, means of ten steps. A line that stays at the dashed one learns no order."
        )
        drawn.append(chart(f"Loss, {depth} layers", meaning, lines, steps, references=counted))
    cold = [o for o in outcomes if o.case.n_layer == deepest and not o.case.warmup]
    for residual in ("pre", "post"):
        shown = [o for o in cold if o.case.residual == residual]
        lines = [_line(o.case.init, n, _losses(o)) for n, o in enumerate(shown)]
        meaning = f"{deepest} layers without warmup; the first weights drawn in four ways."
        drawn.append(chart(f"Loss by init, {residual}-norm", meaning, lines, steps, references=counted))
        lines = [
            _line(o.case.init, n, [Point(i + 1, g) for i, g in enumerate(o.gradients)]) for n, o in enumerate(shown)
        ]
        meaning = "Before any step, the norm of each block's gradient, from the first block to the last."
        axis = Axis(1, deepest) if deepest > 1 else None
        title = f"Gradient by depth, {residual}-norm"
        drawn.append(chart(title, meaning, lines, deepest, log=True, x=axis, x_name="layer"))
    return [one for one in drawn if one]


def _line(name: str, n: int, points: list[Point]) -> Line:
    return Line(name, f"v{n}", points)


def _losses(outcome: Outcome) -> list[Point]:
    """Means of ten steps: batches of eight rows are noisy."""
    cut = [outcome.losses[i : i + 10] for i in range(0, len(outcome.losses), 10)]
    return [Point(min(10 * i + 10, len(outcome.losses)), sum(part) / len(part)) for i, part in enumerate(cut)]
