"""`glass report`: a run on one page, or several."""

from pathlib import Path
from typing import Annotated

from glassformer.cli.arguments import argument, option
from glassformer.cli.terminal import console, say

Runs = Annotated[list[Path], argument("The folder of a run, such as runs/demo, or of several.", metavar="RUN...")]
To = Annotated[
    Path | None,
    option("--to", metavar="FILE", help="Where the page goes. Without it, report.html in the run, or beside several."),
]


def report(folders: Runs, to: To = None) -> None:
    """Write the page of a run anew: curves, samples, scores. Works during training, too.

    With several runs, write one page on which their curves lie over each
    other, with their final numbers and the settings in which they differ.

    Try: [cyan]./glass report runs/a runs/b[/]
    """
    from glassformer.runs.report import write_report

    if len(folders) == 1:
        say(f"wrote {write_report(folders[0], to)}; open it in a browser")
        return
    from glassformer.runs.overlay import overlay, place, write_page
    from glassformer.runs.terminal import show_overlay

    found = overlay(folders)
    page = write_page(found, to or place(folders))
    show_overlay(found, console())
    say(f"wrote {page}; open it in a browser")
