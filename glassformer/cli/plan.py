"""`glass plan`: what a training will need, before it begins."""

from typing import Annotated

import typer

from glassformer.cli.arguments import RecipeName, Settings, argument, option
from glassformer.cli.terminal import console


def plan(
    what: Annotated[
        str,
        argument(
            "A recipe ([cyan]./glass settings[/] lists them), the folder of a run, or a text as in [cyan]./glass train[/].",
            metavar="RECIPE",
        ),
    ] = "mini",
    settings: Settings = None,
    recipe: RecipeName = "mini",
    hardware: Annotated[
        str,
        option(
            "--hardware", metavar="NAME",
            help="The machine: a name such as rtx4090 or a100-80. Without it, this one, which is measured first.",
        ),
    ] = "this",
    ranks: Annotated[
        int, option("--ranks", metavar="N", help="Number of GPUs that share each batch. Without it, 1.", min=1)
    ] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:  # fmt: skip
    """Before training: does it fit into memory, how long will it take, how good will it be?

    No weights are allocated, so any size can be planned.

    Try: [cyan]./glass plan gpt2 --hardware rtx4090[/]
    or [cyan]./glass plan my_book.txt[/]
    """
    from glassformer.lab.plan.terminal import show
    from glassformer.recipes.words import recipe_or_run

    show(console(), recipe_or_run(what, settings, recipe), hardware, ranks, json)
