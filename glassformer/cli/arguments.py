"""The arguments and options that several verbs share: they mean the same wherever they stand."""

from pathlib import Path
from typing import Annotated, Any

import typer

from glassformer.runs import shipped


def argument(help: str, **kwargs: Any) -> Any:
    """A positional argument whose default is not shown in the help."""
    return typer.Argument(help=help, show_default=False, **kwargs)


def option(*names: str, help: str, **kwargs: Any) -> Any:
    """An option whose default is not shown in the help."""
    return typer.Option(*names, help=help, show_default=False, **kwargs)


def minutes_from(least: float) -> Any:
    """A reader of minutes, for `parser=`: a number from `least` to a million."""

    def minutes(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= 1e6:
            raise typer.BadParameter(f"{text} is not a number of minutes from {least:g} to 1,000,000")
        return value

    return minutes


def bits_among(*choices: int) -> Any:
    """A reader of bits, for `parser=`: one of these numbers."""

    def bits(text: str) -> int:
        if text not in map(str, choices):
            raise typer.BadParameter(f"{text} is none of {', '.join(map(str, choices))}")
        return int(text)

    return bits


Source = Annotated[
    str | None,
    argument(
        "The text: village, python, a file or a folder of yours, hf:NAME, or a mixture such as "
        "village=0.7,./books=0.3. Without it, the text that the recipe names.",
        metavar="SOURCE",
    ),
]
Settings = Annotated[
    list[str] | None,
    argument(
        "Settings to change, such as train.steps=500. [cyan]./glass settings mini[/] lists them all.",
        metavar="SETTING=VALUE",
    ),
]
RecipeName = Annotated[
    str,
    typer.Option(
        "--recipe", "-r", metavar="RECIPE",
        help="The recipe (a complete set of settings) to start from. [cyan]./glass settings[/] lists them.",
    ),
]  # fmt: skip
Name = Annotated[
    str | None,
    option("--name", metavar="NAME", help="Name of the new folder below runs/. Without it, a name is chosen."),
]
RunFolder = Annotated[Path, argument("The folder of a run, such as runs/demo.", metavar="RUN")]
RunOrCheckpoint = Annotated[
    Path,
    argument(
        "The folder of a run, such as runs/demo (the checkpoint with the lowest held-out loss is used), or of one of its "
        "checkpoints.",
        metavar="RUN",
    ),
]
RunOrShipped = Annotated[
    Any,
    argument(
        "The folder of a run, such as runs/demo (the checkpoint with the lowest held-out loss is used), or of one of its "
        f"checkpoints; or a model that comes with the package: {', '.join(shipped.names()) or 'none'}.",
        metavar="RUN", parser=shipped.run_or_shipped,
    ),
]  # fmt: skip
Minutes = Annotated[
    float | None,
    option(
        "--minutes", metavar="MINUTES", parser=minutes_from(0.05),
        help="Choose the number of steps so that training takes about this many minutes on this machine.",
    ),
]  # fmt: skip
Workers = Annotated[
    int | None,
    option("--workers", metavar="N", min=1, help="Number of processes and threads. Without it, one for each core."),
]
