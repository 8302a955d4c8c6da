"""`glass plan`: what a training will need, before it begins."""

from pathlib import Path
from typing import Annotated

import typer

from glassformer.cli.arguments import Settings, argument, option
from glassformer.cli.terminal import console, suggest, typed


def plan(
    recipe: Annotated[
        str, argument("A recipe ([cyan]./glass settings[/] lists them), or the folder of a run.", metavar="RECIPE")
    ] = "mini",
    settings: Settings = None,
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
    """
    from glassformer.lab.plan.terminal import show
    from glassformer.recipes.words import recipe_or_run

    found = show(console(), recipe_or_run(recipe, settings), hardware, ranks, json)
    if json:
        return
    look = (typed("settings", *([recipe, *(settings or [])])), "see every setting that can be changed")
    if found.fits and found.hardware.measured and not Path(recipe).is_dir():
        words = [recipe, *(settings or [])] if "=" in recipe else [*(settings or []), "--recipe", recipe]
        suggest((typed("train", *words), "train it here"), look)
    else:
        suggest(look)
