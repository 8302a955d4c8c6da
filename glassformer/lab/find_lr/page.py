"""`find-lr.html`: the curve of a ramp on one page that opens offline."""

from pathlib import Path
from typing import Any

import glassformer
from glassformer.lab.find_lr import Findings
from glassformer.lab.find_lr.reading import proposal, remarks
from glassformer.pages.chart import Axis, Line, Point, chart
from glassformer.pages.frame import render
from glassformer.system.files import write_atomic


def write_page(folder: Path, found: Findings, command: str) -> Path:
    """Write the page into `folder`, with the command that makes it again; returns its path."""
    path = folder / "find-lr.html"
    values = {
        "proposal": proposal(found), "remarks": remarks(found), "chart": curve(found), "command": command,
        "version": glassformer.__version__,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(path, render(Path(__file__).with_name("find_lr.html"), values))
    return path


def curve(found: Findings) -> dict[str, Any] | None:
    """The loss of each step and the smoothed loss against the rate; a dot where the loss falls fastest."""
    pairs = {"each step": found.losses, "smoothed": found.smooth}
    lines = [
        Line(name, style, [Point(rate, loss) for rate, loss in zip(found.rates, values)])
        for (name, values), style in zip(pairs.items(), ("plain", "validation"))
    ]
    if found.steepest is not None:
        at = found.rates.index(found.steepest)
        lines.append(Line("proposed", "train", [Point(found.steepest, found.smooth[at])]))
    meaning = "The training loss before each step, in nats per token, while the learning rate grows; logarithmic axis."
    axis = Axis(found.rates[0], found.rates[-1], log=True)
    return chart("Loss by learning rate", meaning, lines, len(found.rates), x=axis, x_name="learning rate")
