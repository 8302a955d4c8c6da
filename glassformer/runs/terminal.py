"""Prints the list of runs, and several runs beside each other: tables where they fit, lists on a narrow terminal."""

from datetime import datetime
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from glassformer.runs.listing import Row, rows
from glassformer.runs.overlay import HEADER, Overlay

COLUMNS = ("run", "text", "steps", "loss", "state", "when")
GAP = 2
SHORTEST_TEXT = 8


def list_runs(root: Path, console: Any) -> bool:
    """Print the runs below `root`, the newest first; False if there is none."""
    found = rows(root)
    if not found:
        return False
    cells = [_cells(row, datetime.now()) for row in found]
    for line in table(cells, console.width) or blocks(cells, console.width):
        console.print(line, markup=False, soft_wrap=True)
    for row in found:
        if row.problem:
            console.print(f"{row.name} is damaged: {row.problem}", markup=False, soft_wrap=True)
    return True


def table(cells: list[tuple[str, ...]], width: int) -> list[str]:
    """The rows under a header, in lines of at most `width` characters; the text is shortened if it must be, and the name,
    which a person types, is not. Empty if that does not fit."""
    lines = [COLUMNS, *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    room = width - (sum(widths) - widths[1]) - GAP * (len(COLUMNS) - 1)
    if room < min(widths[1], SHORTEST_TEXT):
        return []
    widths[1] = min(widths[1], room)
    shown = [(line[0], _shortened(line[1], widths[1]), *line[2:]) for line in lines]
    return [_joined(line, widths) for line in shown]


def blocks(cells: list[tuple[str, ...]], width: int) -> list[str]:
    """A run in two or three lines: its name and state, then the rest."""
    lines = []
    for name, text, steps, loss, state, when in cells:
        head = f"{name}  {state}" if len(name) + len(state) + GAP <= width else name
        rest = [state] * (head == name) + [_shortened(text, width - GAP)] + [f"{steps} steps" if steps else ""]
        rest += [f"loss {loss}" if loss else "", when]
        lines.append(head)
        line = ""
        for part in filter(None, rest):
            if line and GAP + len(line) + GAP + len(part) > width:
                lines.append("  " + line)
                line = ""
            line += ("  " if line else "") + part
        lines.append("  " + line)
    return lines


def _cells(row: Row, now: datetime) -> tuple[str, ...]:
    steps = "" if row.steps is None else f"{row.done:,}" + (f" of {row.steps:,}" if row.done < row.steps else "")
    loss = "" if row.loss is None else f"{row.loss:.3f}"
    name, text = ("".join(c if c.isprintable() else "?" for c in part) for part in (row.name, row.text))
    return name, text, "" if row.state == "imported" else steps, loss, row.state, _when(row.when, now)


def _when(seconds: float, now: datetime) -> str:
    """The time of today, else the day."""
    then = datetime.fromtimestamp(seconds)
    if then.date() == now.date():
        return f"{then:%H:%M}"
    return f"{then.day} {then:%b}" + ("" if then.year == now.year else f" {then.year}")


def _shortened(text: str, width: int) -> str:
    """The end of a long text: of a path, that is the name."""
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def _joined(cells: tuple[str, ...], widths: list[int]) -> str:
    aligned = [cell.rjust(n) if 2 <= i <= 3 else cell.ljust(n) for i, (cell, n) in enumerate(zip(cells, widths))]
    return (" " * GAP).join(aligned).rstrip()


def show_overlay(found: Overlay, console: Any) -> None:
    """Print the final numbers of several runs, and the settings in which they differ."""
    numbers = [(name, *values) for name, *values in zip(HEADER, *found.numbers)]
    for title, lines in (("", numbers[1:]), ("settings that differ", found.settings), ("machine", found.facts)):
        if lines:
            table = Table(title, *map(escape, found.names), box=None, padding=(0, 2), header_style="bold")
            for line in lines:
                table.add_row(*map(escape, line))
            console.print(table)
            console.print()
    if not found.settings:
        console.print("The recipes of these runs are the same.")
    for note in found.notes:
        console.print(note, markup=False, soft_wrap=True)
