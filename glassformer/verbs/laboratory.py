"""The verbs of the laboratory: what a model will cost, whether it is better than another, whether a part keeps its word."""

import sys
from typing import Annotated

import typer

from glassformer.verbs.arguments import Name, RecipeName, Settings, Source, argument, option
from glassformer.verbs.terminal import console, progress_bars


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
    from glassformer.plan.view import show
    from glassformer.words import recipe_or_run

    show(console(), recipe_or_run(recipe, settings), hardware, ranks, json)


def compare(
    source: Source = None,
    settings: Settings = None,
    against: Annotated[list[str] | None, option("--against", help='A variant: "model.norm=layernorm ..."')] = None,
    recipe: RecipeName = "mini",
    seeds: Annotated[int, typer.Option(help="Runs of each, with different weights and batches.", min=1)] = 5,
    budget: Annotated[str, typer.Option(help="What is equal: steps (tokens), flops or time.")] = "steps",
    minutes: Annotated[
        float | None, option("--minutes", help="So long takes one run of the recipe.", min=0.001, max=1e6)
    ] = None,
    tune: Annotated[bool, typer.Option("--tune", help="Try three learning rates for each first.")] = False,
    name: Name = None,
) -> None:
    """Is a variant better, or is it chance? Several seeds, equal budgets, intervals, one report.

    Try: [cyan]glass compare --against model.mixer=sliding --minutes 2[/]
    """
    from glassformer.compare.view import run

    run(console(), source, settings, recipe, against or [], seeds, budget, minutes, tune, name, progress_bars)


def stability(
    minutes: Annotated[float, typer.Option(help="How long the training takes in all.", min=0.05, max=1e6)] = 4.0,
    name: Name = None,
) -> None:
    """Which deep models train? Norms before or behind, warmup, 2 to 12 layers, first weights: see it happen."""
    from glassformer.compare.stability_view import run

    run(console(), minutes, name, progress_bars)


def check_variant(path: Annotated[str, argument("A Python file with one part of a model: ./my_mixer.py.")]) -> None:
    """Hold a part of your own to everything that the built-in ones promise; exit code 1 if it breaks one."""
    from glassformer.contracts import check_variant

    if not check_variant(path, console()):
        sys.exit(1)
