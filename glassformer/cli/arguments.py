"""What may follow a verb: words and options that mean the same with every verb that takes them."""

from pathlib import Path
from typing import Annotated, Any

import typer


def argument(help: str, **kwargs: Any) -> Any:
    """A word of a verb that tells nothing about its default."""
    return typer.Argument(help=help, show_default=False, **kwargs)


def option(*names: str, help: str, **kwargs: Any) -> Any:
    """The same for an option."""
    return typer.Option(*names, help=help, show_default=False, **kwargs)


Source = Annotated[str | None, argument("village, python, or a path to your own text (file or folder).")]
Settings = Annotated[
    list[str] | None, argument("Any setting of the recipe, e.g. train.steps=500.", metavar="[SETTING=VALUE]...")
]
RecipeName = Annotated[
    str, typer.Option("--recipe", "-r", help="The recipe to start from; see [cyan]glass settings[/].")
]
Name = Annotated[str | None, option("--name", help="Name of the run folder below runs/.")]
RunFolder = Annotated[Path, argument("A run folder such as runs/demo, or one of its checkpoints.")]
Minutes = Annotated[
    float | None, option("--minutes", help="Choose the steps so that it takes about this long.", min=0.05, max=1e6)
]
Workers = Annotated[int | None, option("--workers", help="Processes and threads; one a core.", min=1)]
