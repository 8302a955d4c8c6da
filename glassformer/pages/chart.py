"""Charts: where their lines, ticks and labels lie. The template `chart.html` draws them.

Lines are SVG paths on a plane of 1000 x 1000, which is stretched to the width of the page while strokes keep their
width; labels are ordinary text beside it. So the same chart is sharp on a phone, a wide screen and paper, and takes its
colours from the page's light or dark style. The legend shows the last value of each line; `page.js` replaces it by the
value under the pointer.
"""

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

MOST_POINTS = 2_000  # of a line; a screen cannot show more
FAR = 4  # if the highest value is this many times the median, a linear axis would flatten the rest of the line


class Point(NamedTuple):
    step: float
    value: float


class Line(NamedTuple):
    """One curve. `style` is its CSS class ("train", "validation", "plain"); `dots` also draws a dot at each point."""

    name: str
    style: str
    points: list[Point]
    dots: bool = False


class Area(NamedTuple):
    """What lies between two values at each step, drawn behind the lines. `style` is its CSS class."""

    style: str
    low: list[Point]
    high: list[Point]


class Axis(NamedTuple):
    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where the value lies on the axis: 0 at `low`, 1 at `high`."""
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """A few round values as (place, label). A logarithmic axis uses the finest of its grids that has room."""
        rough = (self.high - self.low) / 4
        unit = 10.0 ** math.floor(math.log10(rough))
        gap = next(round_ * unit for round_ in (1, 2, 2.5, 5, 10) if round_ * unit >= rough)
        values = [n * gap for n in range(math.ceil(self.low / gap), math.floor(self.high / gap) + 1)]
        if self.log and self.high > 4 * self.low:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            for digits in ([1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1]):
                values = [digit * 10.0**power for power in powers for digit in digits]
                values = [value for value in values if self.low <= value <= self.high]
                if len(values) <= 6:
                    break
            values = values[:: math.ceil(len(values) / 6)]
        return [(self.at(value), short(value)) for value in values if self.low <= value <= self.high]


def chart(
    title: str,
    meaning: str,
    lines: list[Line],
    last_step: int,
    references: dict[str, float] | None = None,
    resumed: Iterable[int] = (),
    zero: bool = False,
    log: bool = False,
    x: Axis | None = None,
    x_name: str = "step",
    areas: Iterable[Area] = (),
) -> dict[str, Any] | None:
    """Everything that `chart.html` needs to draw one chart; None if no line has a finite point.

    `references` are dashed horizontal lines with names. Each of the `resumed` steps gets a thin vertical line. With
    `zero` the vertical axis begins at 0; with `log` it is logarithmic (it also is if a line has a far outlier and no
    value is 0 or less). `x` and `x_name` are for a horizontal axis of something else than steps; charts with the same
    `x_name` share one pointer. `areas` lie behind the lines, and are cut off where the lines do not reach.
    """
    lines = [line._replace(points=thin(line.points)) for line in lines if line.points]
    values = [point.value for line in lines for point in line.points if drawable(point.value)]
    if not values:
        return None
    references = references or {}
    steps, axis = x or Axis(0, max(last_step, 1)), _axis(values + list(references.values()), zero, log)
    return {
        "title": title,
        "meaning": meaning,
        "log": axis.log,
        "lines": [
            {
                "name": line.name,
                "style": line.style,
                "path": _path(line.points, steps, axis),
                "dots": _dots(line.points, steps, axis) if line.dots or len(line.points) == 1 else "",
                "broken": [1000 * steps.at(step) for step, value in line.points if not drawable(value)],
                "steps": [point.step for point in line.points],
                "values": [exact(point.value) for point in line.points],
                "resting": exact(line.points[-1].value),
            }
            for line in lines
        ],
        "areas": [{"style": area.style, "path": _outline(area, steps, axis)} for area in areas],
        "x_ticks": steps.ticks(),
        "y_ticks": axis.ticks(),
        "references": _labels(references, axis),
        "resumed": sorted({1000 * steps.at(step) for step in resumed}),
        "x": {"name": x_name, **steps._asdict()},
        "resting": "last" if x is None else f"at the last {x_name}",
        "bins": None,
    }


def histogram(
    title: str, meaning: str, x_name: str, edges: list[float], counts: dict[str, list[int]], log: bool = False
) -> dict[str, Any] | None:
    """A chart of how many values lie between neighbouring edges (n + 1 of them), in percent of the total of each line;
    None if there are no values. `counts` are by the name of the line; "train" and "validation" have colours of their
    own. `log` makes the horizontal axis logarithmic.
    """
    totals = {name: sum(numbers) for name, numbers in counts.items() if sum(numbers)}
    if not totals:
        return None
    x = Axis(edges[0], edges[-1], log)
    middles = [math.sqrt(a * b) if log else (a + b) / 2 for a, b in pairwise(edges)]
    shares = {name: [100 * n / totals[name] for n in counts[name]] for name in totals}
    axis = Axis(0, 1.05 * max(map(max, shares.values())))
    return {
        "title": title,
        "meaning": meaning,
        "log": False,
        "lines": [
            {
                "name": name,
                "style": f"{name if name in ('train', 'validation') else 'plain'} bars",
                "path": _bars(edges, shares[name], x, axis),
                "dots": "",
                "broken": [],
                "steps": middles,
                "values": [f"{share:.1f} % ({n:,})" for share, n in zip(shares[name], counts[name])],
                "resting": f"{totals[name]:,}",
            }
            for name in totals
        ],
        "areas": [],
        "x_ticks": x.ticks(),
        "y_ticks": [(at, f"{label} %") for at, label in axis.ticks()],
        "references": [],
        "resumed": [],
        "x": {"name": x_name, **x._asdict()},
        "resting": "in all",
        "bins": [f"{short(a)} to {short(b)}" for a, b in pairwise(edges)],
    }


def intervals(found: list[tuple[str, float, float, float]]) -> list[dict[str, Any]]:
    """Where each (label, low, middle, high) lies, from 0 to 100, on a common axis with 0 in its middle."""
    reach = max((max(abs(low), abs(high)) for _, low, _, high in found), default=0.0) * 1.1 or 0.01

    def at(value: float) -> float:
        return 50 + 50 * value / reach

    return [
        {"label": label, "low": at(low), "middle": at(middle), "high": at(high)} for label, low, middle, high in found
    ]


def _outline(area: Area, steps: Axis, axis: Axis) -> str:
    """The SVG path around an area: along its upper edge and back along the lower one."""
    corners = [(steps.at(step), min(1.0, max(0.0, axis.at(value)))) for step, value in [*area.high, *reversed(area.low)]]
    return "M" + "L".join(f"{1000 * x:.1f} {1000 - 1000 * y:.1f}" for x, y in corners) + "Z"


def _bars(edges: list[float], heights: list[float], x: Axis, axis: Axis) -> str:
    """The SVG path of the outline of a histogram, closed along the bottom."""
    parts = ["M0 1000"]
    for (left, right), height in zip(pairwise(edges), heights):
        parts.append(f"L{1000 * x.at(left):.1f} {1000 - 1000 * axis.at(height):.1f}H{1000 * x.at(right):.1f}")
    return "".join([*parts, "V1000Z"])


def thin(points: list[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most `most` of the points: from each of equal slices the lowest, the highest and the first that is not finite;
    in addition the first and the last point of all.

    >>> thin([Point(step, step % 7) for step in range(7_000)], 8)[1]
    Point(step=6, value=6)
    """
    if len(points) <= most:
        return points
    slices = max(1, (most - 2) // 3)
    kept = {points[0], points[-1]}
    bounds = [len(points) * n // slices for n in range(slices + 1)]
    for begin, end in pairwise(bounds):
        finite = [point for point in points[begin:end] if drawable(point.value)]
        broken = [point for point in points[begin:end] if not drawable(point.value)][:1]
        extremes = [pick(finite, key=lambda point: point.value) for pick in (min, max)] if finite else []
        kept.update(broken + extremes)
    return sorted(kept, key=lambda point: point.step)


def short(value: float) -> str:
    """A number in few characters: 0.0005, 2.5, 40k, 1.2M, 5e-06."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def exact(value: float) -> str:
    """A number with all its digits: whole numbers in full, others with the seven digits of a float32."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.7g}"


def drawable(value: float) -> bool:
    """Whether a chart can show the value: a finite number, and not larger than any tensor holds."""
    return math.isfinite(value) and abs(value) < 1e100


def _axis(values: list[float], zero: bool, log: bool) -> Axis:
    low, high = min(values), max(values)
    if low > 1e-100 and (log or high > FAR * sorted(values)[len(values) // 2]):
        return Axis(low / 1.1, high * 1.1, log=True)
    room = max(0.05 * (high - low), 0.001 * abs(high)) or 1.0
    return Axis(min(0.0, low) if zero else low - room, high + room)


def _path(points: list[Point], steps: Axis, axis: Axis) -> str:
    """The SVG path of a line. It is interrupted at values that cannot be shown."""
    parts, move = [], "M"
    for step, value in points:
        if not drawable(value):
            move = "M"
            continue
        parts.append(f"{move}{1000 * steps.at(step):.1f} {1000 - 1000 * axis.at(value):.1f}")
        move = "L"
    return "".join(parts)


def _dots(points: list[Point], steps: Axis, axis: Axis) -> str:
    """The SVG path of dots: pieces of length 0 with round ends, which stretching does not deform."""
    return "".join(_path([point], steps, axis) + "h0" for point in points if drawable(point.value))


def _labels(references: dict[str, float], axis: Axis) -> list[dict[str, Any]]:
    """Reference lines from top to bottom. A label that would cover the one above moves to the left of it."""
    placed: list[dict[str, Any]] = []
    for name, value in sorted(references.items(), key=lambda item: -item[1]):
        at = axis.at(value)
        crowded = bool(placed) and placed[-1]["at"] - at < 0.12
        column = 1 - placed[-1]["column"] if crowded else 0
        placed.append({"name": name, "value": f"{value:,.4g}", "at": at, "below": at > 0.85, "column": column})
    return placed
