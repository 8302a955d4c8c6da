"""`glass report`: a run on one page."""

from glassformer.cli.arguments import RunFolder
from glassformer.cli.terminal import say


def report(folder: RunFolder) -> None:
    """Write a run's report.html anew; a run in progress has one too."""
    from glassformer.runs.report import write_report

    say(f"open {write_report(folder)}")
