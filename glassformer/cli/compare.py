"""`glass compare`: is a variant better, or is it chance?"""

from typing import Annotated

import typer

from glassformer.cli.arguments import Name, RecipeName, Settings, Source, option
from glassformer.cli.terminal import console, progress_bars


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
    from glassformer.lab.compare.terminal import run

    run(console(), source, settings, recipe, against or [], seeds, budget, minutes, tune, name, progress_bars)
