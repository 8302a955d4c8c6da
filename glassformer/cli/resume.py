"""`glass resume`: continue a run from its newest checkpoint."""

from glassformer.cli.arguments import RunFolder
from glassformer.cli.terminal import progress_bars, say, watching
from glassformer.cli.train import finished


def resume(folder: RunFolder) -> None:
    """Continue a run that was stopped, exactly where it was."""
    from glassformer.recipes import launch
    from glassformer.runs.report import write_report

    with progress_bars() as progress:
        outcome = launch.resume(folder, say=say, progress=progress, watching=watching)
    finished(folder, outcome, write_report(folder))
