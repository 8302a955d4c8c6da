"""`glass report`: a run on one page."""

from glassformer.cli.arguments import RunFolder
from glassformer.cli.terminal import say


def report(folder: RunFolder) -> None:
    """Write the page of a run anew: curves, samples, scores. Works during training, too."""
    from glassformer.runs.report import write_report

    say(f"wrote {write_report(folder)}; open it in a browser")
