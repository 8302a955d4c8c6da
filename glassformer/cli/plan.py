"""`glass plan`: what a training will cost, before it begins."""

from typing import Annotated

import typer

from glassformer.cli.arguments import Settings, argument, option
from glassformer.cli.terminal import console


def plan(
    recipe: Annotated[str, argument("A recipe (see [cyan]glass settings[/]) or a run folder.")] = "mini",
    settings: Settings = None,
    hardware: Annotated[str, option("--hardware", help="this (measured now), or a name such as a100-80.")] = "this",
    ranks: Annotated[int, option("--ranks", help="Devices that share each batch.", min=1)] = 1,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Before you train: will it fit, how long, what will I get. Allocates nothing.

    Try: [cyan]glass plan gpt2 --hardware rtx4090[/]
    """
    from glassformer.lab.plan.terminal import show
    from glassformer.recipes.words import recipe_or_run

    show(console(), recipe_or_run(recipe, settings), hardware, ranks, json)
