"""`glass plan`: what a training will need, before it begins."""

from pathlib import Path
from typing import Annotated, Any

import typer

from glassformer.cli.arguments import RecipeName, Settings, argument, option
from glassformer.cli.terminal import console, suggest, typed
from glassformer.cli.train import DEFAULT


def plan(
    what: Annotated[
        str,
        argument(
            "A recipe ([cyan]./glass settings[/] lists them), the folder of a run, or a text as in [cyan]./glass train[/].",
            metavar="RECIPE",
        ),
    ] = "mini",
    settings: Settings = None,
    recipe: RecipeName = DEFAULT,
    hardware: Annotated[
        str,
        option(
            "--hardware", metavar="NAME",
            help="The machine: a name such as rtx4090 or a100-80. Without it, this one, which is measured first.",
        ),
    ] = "this",
    ranks: Annotated[
        int,
        option("--ranks", metavar="N", help="Number of GPUs, divided as parallel.* says. Without it, 1.", min=1),
    ] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:  # fmt: skip
    """Before training: does it fit into memory, how long will it take, how good will it be?

    No weights are allocated, so any size can be planned.

    Try: [cyan]./glass plan gpt2 --hardware rtx4090[/]
    or [cyan]./glass plan my_book.txt[/]
    """
    from glassformer.lab.plan.terminal import show

    chosen, is_run = meant(what, settings, recipe)
    found = show(console(), chosen, hardware, ranks, json)
    if json:
        return
    look = (typed("settings", what, *(settings or [])), "see every setting that can be changed")
    if found.fits and found.hardware.measured and not is_run:
        suggest((typed("train", *_words(what, settings or [], recipe)), "train it here"), look)
    else:
        suggest(look)


def meant(what: str, settings: list[str] | None, recipe: str) -> tuple[Any, bool]:
    """(the recipe that the words name, whether it is a run's); for a text it is made to fit, as `glass train` does."""
    from glassformer.lab.plan.text import as_trained
    from glassformer.recipes import sizes
    from glassformer.recipes.presets import presets
    from glassformer.recipes.words import recipe_or_run, split
    from glassformer.runs.checkpoint import run_of

    chosen = recipe_or_run(what, settings, recipe)
    is_run = (run_of(Path(what))[0] / "run.json").is_file()
    if recipe == DEFAULT and what not in presets() and not is_run:
        chosen = as_trained(chosen, sizes.told(split(what, settings)[1]))
    return chosen, is_run


def _words(what: str, settings: list[str], recipe: str) -> list[str]:
    """The words after `train` for what was planned: a recipe, or a text with one."""
    from glassformer.recipes.presets import presets

    base = what if what in presets() else recipe
    return [*([what] if what != base else []), *settings, *(["--recipe", base] if base != "mini" else [])]
