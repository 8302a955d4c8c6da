"""`glass stability` on a terminal."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from glassformer.lab.stability import stability
from glassformer.lab.stability.page import write_page
from glassformer.lab.stability.reading import HEADER, counting, reading, to_rows, verdict
from glassformer.runs.run import named_folder

STYLE = {"trains": "green", "stuck": "yellow", "diverged": "red"}


def run(console: Console, minutes: float, name: str | None, progress: Any) -> None:
    """Run the experiment, print, write the page. Raises GlassError, and Stopped at Ctrl-C."""
    folder = named_folder(name or "stability")

    def say(line: str) -> None:
        console.print(line, style="dim", markup=False, soft_wrap=True)

    with progress() as report_progress:
        findings = stability(folder, minutes, say=say, progress=report_progress)
    table = Table(title="who trains", title_justify="left", box=None, header_style="bold")
    for i, column in enumerate(HEADER):
        table.add_column(column, justify="right" if i in (1, 5, 6, 7) else "left")
    for row in to_rows(findings):
        table.add_row(*row[:4], f"[{STYLE.get(row[4], 'yellow')}]{row[4]}[/]", *row[5:])
    console.print(table)
    console.print(escape(counting(findings)), style="dim", soft_wrap=True)
    for sentence in reading(findings):
        console.print(escape(sentence), soft_wrap=True)
    console.print(escape(verdict(findings)), style="bold", soft_wrap=True)
    console.print(f"Curves and commands: {write_page(folder, findings)}", markup=False, soft_wrap=True)
