"""`glass find-lr` on a terminal."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from glassformer.data.shards import Dataset
from glassformer.lab.find_lr import Findings, find
from glassformer.lab.find_lr.page import write_page
from glassformer.lab.find_lr.reading import proposal, remarks, rounded
from glassformer.recipes.presets import Recipe

ROWS = 20
"""Rates in the table."""
WIDTH = 40
"""Characters of the longest bar."""


def show(
    console: Console, recipe: Recipe, data: Dataset, low: float, high: float, steps: int, folder: Path, command: str,
    say: Callable[[str], None],
) -> Findings:  # fmt: skip
    """Make the ramp, print its curve and what it shows, and write the page into `folder`. Raises GlassError."""
    with console.status(f"{steps} steps, from a learning rate of {rounded(low)} to {rounded(high)}"):
        found = find(recipe, data, low, high, steps, say)
    if found.losses:
        console.print(table(found))
    console.print(proposal(found), style="bold", markup=False, soft_wrap=True)
    for sentence in remarks(found):
        console.print(sentence, markup=False, soft_wrap=True)
    if found.losses:
        console.print(f"The curve: {write_page(folder, found, command)}", markup=False, soft_wrap=True)
    return found


def table(found: Findings) -> Table:
    """The smoothed loss at some of the rates, with a bar from the lowest to the highest loss."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("learning rate", "loss"):
        shown.add_column(name, justify="right")
    shown.add_column("")
    smooth, n = found.smooth, len(found.losses)
    chosen = sorted({round(i * (n - 1) / (ROWS - 1)) for i in range(ROWS)})
    marked = None if found.steepest is None else found.rates.index(found.steepest)
    nearest = None if marked is None else min(chosen, key=lambda i: abs(i - marked))
    low, high = min(smooth), max(smooth)
    for i in chosen:
        bar = "#" * round(WIDTH * (smooth[i] - low) / (high - low or 1.0))
        style = "bold green" if i == nearest else None
        shown.add_row(
            rounded(found.rates[i]), f"{smooth[i]:.3f}", bar + " <- falls fastest" * (i == nearest), style=style
        )
    return shown
