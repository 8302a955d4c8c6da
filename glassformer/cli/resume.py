"""`glass resume`: continue a run from its newest checkpoint."""

from glassformer.cli.arguments import RunOrCheckpoint, Settings
from glassformer.cli.terminal import progress_bars, say, watching
from glassformer.cli.train import finished


def resume(folder: RunOrCheckpoint, settings: Settings = None) -> None:
    """Continue a run that was stopped, exactly where it was.

    Name one of its checkpoints to go back to it; those after it are deleted.
    The settings behind it may change how often the run evaluates, samples
    and saves, its device, its dashboards (train.watch), and where its text is.
    A part of your own runs as it was when the run began, unless you name it
    again (train.optimizer=./my.py).
    """
    from glassformer.recipes import launch
    from glassformer.runs.checkpoint import run_of

    with progress_bars() as progress:
        outcome = launch.resume(folder, say=say, progress=progress, watching=watching, settings=settings or [])
    finished(run_of(folder)[0], outcome)
