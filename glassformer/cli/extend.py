"""`glass extend`: more training for a run that is finished or was stopped."""

from typing import Annotated

from glassformer.cli.arguments import RunFolder, minutes_from, option
from glassformer.cli.terminal import progress_bars, say, watching
from glassformer.cli.train import finished

Steps = Annotated[
    int | None, option("--steps", metavar="N", min=1, help="Number of steps in all, those already made included.")
]
More = Annotated[
    float | None,
    option("--minutes", metavar="MINUTES", parser=minutes_from(0.05), help="Train this many minutes more."),
]


def extend(folder: RunFolder, steps: Steps = None, minutes: More = None) -> None:
    """Train a run on, from its newest checkpoint, to more steps.

    The learning rate of a finished run rises again to where it would be in
    a run of the new length, and then falls to its end. A run whose schedule
    is wsd goes on from the checkpoint before its decay.

    Try: [cyan]./glass extend runs/my_book --minutes 5[/]
    """
    from glassformer.recipes import extend

    with progress_bars() as progress:
        outcome = extend.extend(folder, steps, minutes, say=say, progress=progress, watching=watching)
    finished(folder, outcome)
