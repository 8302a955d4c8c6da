"""`glass runs`: which runs there are."""

from pathlib import Path
from typing import Annotated

from glassformer.cli.arguments import argument
from glassformer.cli.terminal import console, say, suggest, typed


def runs(
    folder: Annotated[Path, argument("The folder with the runs. Without it, runs/.", metavar="FOLDER")] = Path("runs"),
) -> None:
    """List the runs, the newest first: what each reads, how far it is, its state.

    The loss is the lowest on held-out text, in nats per token. A run that is
    "stopped" was killed; [cyan]./glass resume[/] continues it.
    """
    from glassformer.runs.terminal import list_runs

    if not list_runs(folder, console()):
        say(f"There is no run in {folder}.")
        suggest((typed("demo"), "make a first one"), (typed("train", "my_book.txt"), "train on a text of your own"))
