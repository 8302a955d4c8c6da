"""`glass eval`: how good a model is, on text it has never seen."""

from typing import Annotated

import typer

from glassformer.cli.arguments import RunFolder
from glassformer.cli.terminal import console

Stories = Annotated[int, typer.Option(help="Stories to write and check, if it learned from the village.", min=1)]


def evaluate(folder: RunFolder, stories: Stories = 40) -> None:
    """Judge a model on text it has never seen, beside a 5-gram and beside its own untrained self."""
    from glassformer.lab.terminal import show_evaluation

    show_evaluation(folder, stories, console())
