"""`glass watch`: look at a run while it trains, or hand it to another tool."""

from pathlib import Path
from typing import Annotated

from glassformer.cli.arguments import argument, option
from glassformer.cli.terminal import watching
from glassformer.errors import SettingError, Stopped

Runs = Annotated[list[Path], argument("The folders of runs, such as runs/demo.", metavar="RUN...")]
On = Annotated[
    str | None,
    option("--on", metavar="TOOL", help="Show the runs in tensorboard, wandb or trackio; several with commas."),
]


def watch(folders: Runs, on: On = None) -> None:
    """Watch a run that another process trains.

    The terminal shows its samples and how far it is; with --on, TensorBoard,
    Weights & Biases or Trackio do, from the first step on. A run that has
    ended is shown to its end. Ctrl-C stops watching and not the training.

    Try: [cyan]./glass watch runs/demo --on tensorboard[/]
    """
    from glassformer.runs import dashboard
    from glassformer.runs.listing import planned_steps
    from glassformer.runs.run import Run
    from glassformer.runs.tail import follow

    runs = [Run.open(folder) for folder in folders]
    try:
        if on is not None:
            dashboard.show(runs, on)
        elif len(runs) == 1:
            with watching(planned_steps(runs[0]) or 0, 0) as display:
                for line in follow(runs[0]):
                    display(line)
        else:
            raise SettingError("a terminal shows one run at a time: name one, or say --on tensorboard")
    except KeyboardInterrupt:
        raise Stopped("stopped watching; a training goes on") from None
