"""Several runs on one page: their curves in the same charts, their final numbers, and the settings in which they differ.

Each chart is there three times: against the step, against the tokens that were read, and against the time of training. At
the same step a larger batch has read more tokens, and a smaller model has taken less time, so each answers another
question. Everything comes from the run folders. `lab/compare` asks more: it trains the runs itself, with several seeds, and
says whether a difference could be luck.
"""

import bisect
import json
import math
import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import glassformer
from glassformer.config.flat import flat
from glassformer.errors import SettingError
from glassformer.pages.chart import Axis, Line, Point, chart, exact, short, thin
from glassformer.pages.frame import duration, homeless, render
from glassformer.runs import listing
from glassformer.runs.curves import BITS, GRADIENT_NORM, LEARNING_RATE, LOSS, MEMORY, SPEED, Curve, Row, finite, points
from glassformer.runs.run import Run
from glassformer.system.files import write_atomic

MOST = 12
"""Runs on one page; each has a line that can be told from the others."""
COLOURS = 6
"""There are styles v0 to v5 in curves.css; the next lines take them again, dashed."""
POINTS = 6_000
"""Points in one chart, of all lines together."""
HEADER = (
    "run", "state", "steps", "tokens", "time", "lowest held-out loss", "bits per byte", "training loss", "tokens/s",
    "parameters", "memory",
)  # fmt: skip
FACTS = ("parameters", "precision.chosen", "threads", "torch", "glassformer", "git", "machine.cpu", "machine.gpu")
"""What is said of the machine and the software, if the runs differ in it."""


class Shown(NamedTuple):
    """What is shown of one run, and its name on the page."""

    name: str
    style: str
    row: listing.Row
    train: list[Row]
    evals: list[Row]
    recipe: Row
    facts: Row


class Overlay(NamedTuple):
    """Several runs as they are shown on a page or a terminal. Cells are in the order of the runs."""

    names: list[str]
    styles: list[str]
    numbers: list[tuple[str, ...]]
    """A row for each run, under HEADER."""
    settings: list[tuple[str, ...]]
    """The settings in which the runs differ: (path, a value for each run)."""
    facts: list[tuple[str, ...]]
    """The same for the machine and the software."""
    notes: list[str]
    """What cannot be compared, and why."""
    charts: dict[str, list[Row]]
    """By what they are drawn against: step, tokens, and seconds, minutes or hours."""


def overlay(folders: Sequence[Path]) -> Overlay:
    """Read the runs. Raises GlassError for a folder that holds no run, and SettingError for too many."""
    runs = [Run.open(folder) for folder in dict.fromkeys(Path(os.path.realpath(folder)) for folder in folders)]
    if len(runs) > MOST:
        raise SettingError(f"{len(runs)} runs do not fit on one page; name at most {MOST}")
    root = Path(os.path.commonpath([run.folder.parent for run in runs]))
    shown = [_shown(root, run, n) for n, run in enumerate(runs)]
    differ = _differences([flat(homeless(each.recipe)) for each in shown], without=("train.watch",))
    facts = _differences([{key: flat(each.facts).get(key) for key in FACTS} for each in shown])
    return Overlay(
        [each.name for each in shown], [each.style for each in shown], [_numbers(each) for each in shown], differ, facts,
        _notes(shown), {x.name: _charts(shown, x) for x in _axes(shown)},
    )  # fmt: skip


def write_page(found: Overlay, path: Path) -> Path:
    """Write the page and return its path."""
    values = {**found._asdict(), "header": HEADER, "version": glassformer.__version__}
    write_atomic(path, render(Path(__file__).with_name("overlay.html"), values))
    return path


def place(folders: Sequence[Path]) -> Path:
    """Where the page of these runs goes: beside them if they lie in one folder, else here."""
    parents = {folder.parent for folder in folders}
    return (parents.pop() if len(parents) == 1 else Path()) / "report.html"


def _shown(root: Path, run: Run, number: int) -> Shown:
    style = f"v{number % COLOURS}" + (" again" if number >= COLOURS else "")
    return Shown(
        run.folder.relative_to(root).as_posix(), style, listing.row(root, run.folder), run.metrics("train"),
        run.metrics("eval"), run.recipe(), run.facts(),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- numbers and settings


def _numbers(shown: Shown) -> tuple[str, ...]:
    """The final numbers of a run; a value that it does not have is a dash."""
    row, train = shown.row, shown.train
    last = {key: found[-1] for key in ("loss", "tokens", "seconds") if (found := _finite(train, key))}
    speeds, memory = _finite(train, SPEED.key), _finite(train, MEMORY.key)
    of = f" of {row.steps:,}" if row.steps is not None and row.done < row.steps and row.state != "finished" else ""
    losses, bits, parameters = _finite(shown.evals, "loss"), _finite(shown.evals, "bpb"), shown.facts.get("parameters")
    told = (
        row.state, f"{row.done:,}{of}", "tokens" in last and short(last["tokens"]),
        "seconds" in last and duration(last["seconds"]), losses and f"{min(losses):.4f}", bits and f"{min(bits):.4f}",
        "loss" in last and f"{last['loss']:.4f}", speeds and short(round(statistics.median(speeds))),
        isinstance(parameters, int) and short(parameters), memory and f"{max(memory):.2f} GB",
    )  # fmt: skip
    return (shown.name, *(str(cell or "–") for cell in told))


def _finite(rows: list[Row], key: str) -> list[float]:
    return [point.value for point in points(rows, key) if finite(point.value)]


def _differences(trees: list[dict[str, Any]], without: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """(path, the value in each tree) for every path at which they are not all alike; a dash where there is none."""
    rows = []
    for path in dict.fromkeys(path for tree in trees for path in tree):
        values = [json.dumps(tree[path], sort_keys=True) if path in tree else None for tree in trees]
        if len(set(values)) > 1 and path not in without:
            rows.append((path, *(_told(tree.get(path), path in tree) for tree in trees)))
    return rows


def _told(value: Any, there: bool) -> str:
    """A setting as one writes it."""
    if not there or value is None:
        return "null" if there else "–"
    if isinstance(value, str):
        return value or '""'
    return exact(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _notes(shown: list[Shown]) -> list[str]:
    """What these runs do not have in common, without which their numbers mean different things."""

    def differ(*path: str) -> bool:
        return len({json.dumps(_at(each.facts, *path), sort_keys=True) for each in shown}) > 1

    notes = []
    if differ("dataset", "source") or differ("dataset", "split_rule"):
        notes.append("The runs read different texts, so neither their losses nor their bits per byte can be compared.")
    elif differ("dataset", "tokenizer"):
        notes.append(
            "The runs have different tokenizers, so compare their bits per byte and not their losses per token."
        )
    if differ("machine") or differ("threads"):
        notes.append("The runs were made on different machines or threads: their times and speeds cannot be compared.")
    return notes


def _at(tree: Any, *path: str) -> Any:
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


# -------------------------------------------------------------------------------------------------------------- charts


class _X(NamedTuple):
    """What lies on the horizontal axis, and where a step of a run lies on it (None: nowhere)."""

    name: str
    at: Callable[[Shown, int], float | None]


def _axes(shown: list[Shown]) -> list[_X]:
    longest = max((seconds for each in shown for seconds in _finite(each.train, "seconds")), default=0.0)
    units = (("seconds", 1, 180), ("minutes", 60, 10_800), ("hours", 3600, math.inf))
    unit, seconds = next((unit, size) for unit, size, most in units if longest <= most)
    known = {key: {each.name: _known(each.train, key) for each in shown} for key in ("tokens", "seconds")}

    def at(key: str, size: float) -> Callable[[Shown, int], float | None]:
        def place(each: Shown, step: int) -> float | None:
            value = _between(known[key][each.name], step)
            return None if value is None else round(value / size, 4)

        return place

    return [_X("step", lambda each, step: step), _X("tokens", at("tokens", 1)), _X(unit, at("seconds", seconds))]


def _known(train: list[Row], key: str) -> list[Point]:
    found = [point for point in points(train, key) if finite(point.value)]
    return [Point(0, 0.0), *(point for point in found if point.step > 0)] if found else []


def _between(known: list[Point], step: int) -> float | None:
    """The value at a step, on the straight line between the logged ones around it; None before the first is logged and
    behind the last."""
    n = bisect.bisect_left(known, step, key=lambda point: point.step)
    if n == len(known):
        return None
    after, before = known[n], known[max(n - 1, 0)]
    share = (step - before.step) / max(after.step - before.step, 1)
    return before.value + share * (after.value - before.value)


def _charts(shown: list[Shown], x: _X) -> list[Row]:
    """Every chart against this axis, those without a value left out."""
    evals = (
        Curve("Held-out loss", "loss", LOSS + " Text that is never trained on.", log=True),
        Curve("Bits per byte", "bpb", BITS, log=True),
    )
    training = Curve("Training loss", "loss", LOSS + " Each point is one batch.", log=True)
    charts = [_chart(curve, shown, x, [each.evals for each in shown]) for curve in evals]
    for curve in (training, LEARNING_RATE, SPEED, GRADIENT_NORM):
        charts.append(_chart(curve, shown, x, [each.train for each in shown]))
    return [drawn for drawn in charts if drawn]


def _chart(curve: Curve, shown: list[Shown], x: _X, rows: list[list[Row]]) -> Row | None:
    lines, noisy = [], curve.key in ("loss", GRADIENT_NORM.key) and rows[0] is shown[0].train
    for each, found in zip(shown, rows, strict=True):
        placed = [(x.at(each, int(step)), value) for step, value in points(found, curve.key)]
        kept = [Point(at, value) for at, value in placed if at is not None]  # type: ignore[arg-type]
        style = each.style + (" thin" if noisy else "")
        lines.append(Line(each.name, style, thin(kept, POINTS // len(shown)), dots=not noisy and len(kept) <= 30))
    last = max((point.step for line in lines for point in line.points), default=0)
    how = {"zero": curve.zero, "log": curve.log, "x": Axis(0, last or 1), "x_name": x.name}
    drawn = chart(curve.title, curve.meaning, lines, 0, **how)
    return drawn and {**drawn, "resting": "last"}
