"""`stability.html`: losses by depth, gradients by block, and what follows from them, on one page that opens offline."""

from pathlib import Path
from typing import Any

import glassformer
from glassformer.lab.stability import INITS, NORMS, Findings, commands
from glassformer.lab.stability.reading import AVERAGED, HEADER, counting, curve, reading, to_rows, verdict
from glassformer.pages.chart import Axis, Line, Point, chart
from glassformer.pages.frame import render
from glassformer.system.files import write_atomic


def write_page(folder: Path, findings: Findings) -> Path:
    """Write the page into the experiment's folder and return its path."""
    path = folder / "stability.html"
    values = {
        "header": HEADER, "rows": to_rows(findings), "counting": counting(findings), "verdict": verdict(findings),
        "reading": reading(findings), "charts": charts(findings), "commands": commands(findings, folder),
        "version": glassformer.__version__,
    }  # fmt: skip
    write_atomic(path, render(Path(__file__).with_name("stability.html"), values))
    return path


def charts(findings: Findings) -> list[dict[str, Any]]:
    """Losses by depth, the gradient of each block before the first step, and losses by initialisation."""
    drawn, counted, deepest = [], {"counting": findings.counting}, findings.depths[-1]
    for depth in reversed(findings.depths):
        cells = [findings.cell(residual, depth, warmup) for residual in NORMS for warmup in (False, True)]
        lines = [
            _line(f"{cell[0].case.residual}{', warmup' if cell[0].case.warmup else ''}", n, curve(cell))
            for n, cell in enumerate(cells)
        ]
        meaning = (
            f"Training loss in nats per token, the mean of {AVERAGED} steps and {len(cells[0])} seeds. The dashed line is "
            "the loss of counting how frequent each token is. A model that stays there has learned nothing about order."
        )
        drawn.append(chart(f"Loss, {depth} layers", meaning, lines, findings.steps, references=counted))
    by_norm = {residual: findings.gradients[residual, "flat"] for residual in NORMS}
    meaning = "The gradient norm of each block before the first step, from the first block to the last; one seed."
    drawn.append(_gradients("Gradient by depth", meaning, by_norm))
    for residual in NORMS:
        drawn.append(
            _gradients(
                f"Gradient by initialisation, {residual}-norm", "The same for four kinds of initial weights.",
                {init: findings.gradients[residual, init] for init in INITS},
            )
        )  # fmt: skip
    first = [findings.cell("post", deepest, False, init)[:1] for init in INITS]
    lines = [_line(cell[0].case.init, n, curve(cell)) for n, cell in enumerate(first)]
    meaning = f"Training loss with {deepest} layers and no warmup, one seed, for four kinds of initial weights."
    drawn.append(chart("Loss by initialisation, post-norm", meaning, lines, findings.steps, references=counted))
    return [one for one in drawn if one]


def _gradients(title: str, meaning: str, norms: dict[str, list[float]]) -> dict[str, Any] | None:
    lines = [_line(name, n, [Point(i + 1, g) for i, g in enumerate(gs)]) for n, (name, gs) in enumerate(norms.items())]
    n_layer = len(lines[0].points)
    return chart(f"{title}, {n_layer} layers", meaning, lines, n_layer, log=True, x=Axis(1, n_layer), x_name="layer")


def _line(name: str, n: int, points: list[Point]) -> Line:
    return Line(name, f"v{n}", [Point(at, float(f"{value:.3g}")) for at, value in points])  # more digits would be noise
