"""`glass eval` on a terminal: one table, and one sentence on what it shows."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from glassformer.lab.evaluate import Evaluation, judge
from glassformer.runs import checkpoint

COLUMNS = {
    "bpb": "bits per byte", "understood": "sentences understood", "consistent": "claims consistent",
    "wholly_right": "stories wholly right", "original": "not copied",
}  # fmt: skip
"""What the measures are called."""


def show_evaluation(folder: Path, n_stories: int, console: Console) -> Evaluation:
    """Evaluate the run in `folder` and print what was found. Raises GlassError."""
    with console.status("") as status:
        found = judge(folder, n_stories, status.update)
    if note := checkpoint.used(folder):
        console.print(note, markup=False)
    console.print(_table(found.rows))
    for note in found.notes:
        console.print(note)
    if found.saved > 0:
        console.print(f"The model needs {found.saved:.0%} fewer bits than the {found.longest}.")
    else:
        console.print(f"The {found.longest} predicts better.")
    return found


def _table(rows: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="on text that none of them was trained on", title_justify="left", box=None, header_style="bold")
    table.add_column("")
    shown = [name for name in COLUMNS if name in rows["model"]]
    for name in shown:
        table.add_column(COLUMNS[name], justify="right")
    for who, values in rows.items():
        cells = [f"{values[name]:{'.3f' if name == 'bpb' else '.0%'}}" if name in values else "" for name in shown]
        table.add_row(who, *cells, style="bold" if who == "model" else "")
    return table
