"""Pictures of tensors, in the colours of this project: queries blue, keys red, values green; signed numbers on a diverging
scale around white, probabilities on a sequential one from white to dark.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from glassformer.system.extra import needed_for

with needed_for("a lesson's picture", "lessons"):
    from matplotlib import pyplot  # pyright: ignore[reportMissingImports]
    from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]

Q, K, V = "#2f6fb5", "#c0392b", "#2d8a4b"
INK, SOFT, ACCENT = "#22252b", "#8a8f99", "#c2500c"
SIGNED, SHARES = "RdBu_r", "Blues"

STYLE: dict[Any, Any] = {
    "figure.dpi": 110, "savefig.bbox": "tight", "figure.facecolor": "white", "axes.edgecolor": SOFT,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 11, "axes.titleweight": "bold",
    "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK, "font.size": 9,
    "axes.grid": False, "legend.frameon": False, "lines.linewidth": 1.8,
    "axes.prop_cycle": pyplot.cycler(color=[Q, ACCENT, V, "#7b5aa6", K, SOFT]),
}  # fmt: skip


def canvas(width: float = 8, height: float = 3, columns: int = 1, rows: int = 1, **kwargs: Any) -> tuple[Figure, Any]:
    """(figure, axes) as `pyplot.subplots` gives them, in the style of the lessons. Sizes are in inches."""
    pyplot.rcParams.update(STYLE)
    return pyplot.subplots(rows, columns, figsize=(width, height), layout="constrained", **kwargs)


def grid(
    axes: Any, values: Tensor, rows: Sequence[str] = (), columns: Sequence[str] = (), *, signed: bool = False,
    numbers: str = "", most: float | None = None, title: str = "",
) -> None:  # fmt: skip
    """Draw values (n, m) as coloured cells. `signed` puts white at 0; `numbers` is a format such as ".2f" for the value in
    each cell; `most` is the value of the darkest colour, else the largest."""
    values = values.detach().float().cpu()
    top = most or float(values.abs().max()) or 1.0
    axes.imshow(values.numpy(), cmap=SIGNED if signed else SHARES, vmin=-top if signed else 0, vmax=top, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=90 if max(map(len, columns), default=0) > 2 else 0)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title)
    if numbers:
        for i, row in enumerate(values.tolist()):
            for j, value in enumerate(row):
                dark = abs(value) > 0.6 * top
                axes.text(j, i, f"{value:{numbers}}", ha="center", va="center", color="white" if dark else INK, fontsize=7)


def bars(axes: Any, names: Sequence[str], values: Sequence[float], *, colour: str = Q, title: str = "") -> None:
    """Horizontal bars, the first at the top, each with its value written behind it."""
    axes.barh(range(len(names)), values, color=colour)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.set_title(title)
    for i, value in enumerate(values):
        axes.text(max(value, 0), i, f" {value:.3g}", va="center", fontsize=8)


def shown(token: bytes | str) -> str:
    """A token as a label: spaces as ␣ and line breaks as ↵, which can be seen."""
    text = token.decode("utf-8", "replace") if isinstance(token, bytes) else token
    return text.replace(" ", "␣").replace("\n", "↵").replace("$", r"\$")


def text(pieces: Sequence[str], values: Sequence[float] | None = None, *, width: int = 76, title: str = "") -> Figure:
    """A figure of a text in which each token is a box: in turn light and dark, or darker for larger `values` (0 to 1)."""
    places, line, column = [], 0, 0
    for piece in pieces:
        label = shown(piece)
        if column + len(label) > width:
            line, column = line + 1, 0
        places.append((line, column, label))
        column += len(label)
        if piece.endswith("\n"):
            line, column = line + 1, 0
    inches = 8.6
    figure, axes = canvas(inches, 0.23 * (line + 1) + (0.35 if title else 0.1))
    axes.set(xlim=(0, width), ylim=(line + 1, 0), title=title)
    axes.set_axis_off()
    colours = pyplot.get_cmap("Oranges")
    for i, (y, x, label) in enumerate(places):
        colour = ("#dbe7f5", "#f7e3d2")[i % 2] if values is None else colours(0.8 * values[i])
        axes.add_patch(pyplot.Rectangle((x + 0.03, y + 0.06), len(label) - 0.06, 0.88, color=colour, linewidth=0))
        axes.text(x, y + 0.5, label, va="center", family="monospace", fontsize=0.96 * inches * 72 / width / 0.602)
    return figure
