"""`glass compare`: is a variant better, or was it luck?"""

from typing import Annotated

import typer

from glassformer.cli.arguments import Name, RecipeName, Settings, Source, minutes_from, option
from glassformer.cli.terminal import console, progress_bars, suggest, typed


def compare(
    source: Source = None,
    settings: Settings = None,
    against: Annotated[
        list[str] | None,
        option(
            "--against", metavar="SETTINGS",
            help='The settings that make a variant: "model.norm=rmsnorm model.mlp=gelu". Repeat it for more variants.',
        ),
    ] = None,
    recipe: RecipeName = "mini",
    seeds: Annotated[
        int, typer.Option(metavar="N", help="Runs of each model, each with other initial weights and batches.", min=1)
    ] = 5,
    budget: Annotated[
        str, typer.Option(metavar="BUDGET", help="What all models get an equal amount of: steps, flops or time.")
    ] = "steps",
    minutes: Annotated[
        float | None,
        option("--minutes", metavar="MINUTES", parser=minutes_from(0.001), help="Length of one run of the recipe."),
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="First find the best of three learning rates for each model.")
    ] = False,
    name: Name = None,
) -> None:  # fmt: skip
    """Find out whether a variant is better than the recipe, or was only lucky.

    Trains each model with several seeds and an equal budget, and prints the
    difference with an interval. Ctrl-C stops it; the same command continues.

    Try: [cyan]./glass compare --against model.mixer=sliding --minutes 2[/]
    """
    from glassformer.lab.compare.terminal import run

    best = run(console(), source, settings, recipe, against or [], seeds, budget, minutes, tune, name, progress_bars)
    if best is None:
        suggest((typed("stability"), "see which deep models train, and with which warmup"))
    else:
        suggest(
            (typed("eval", best), "measure the run with the fewest bits beside n-grams"),
            (typed("generate", best), "let it write"),
        )
