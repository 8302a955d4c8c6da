"""`glass train`: a model from a text."""

from pathlib import Path

import typer

from glassformer.cli.arguments import Minutes, Name, RecipeName, Settings, Source
from glassformer.cli.terminal import console, progress_bars, say, suggest, typed, watching


def train(
    source: Source = None,
    settings: Settings = None,
    recipe: RecipeName = "mini",
    name: Name = None,
    minutes: Minutes = None,
) -> None:
    """Train a model on a text.

    Ctrl-C saves and stops; [cyan]./glass resume[/] continues.

    Try: [cyan]./glass train my_book.txt --minutes 10[/]
    """
    from glassformer.data.terminal import describe
    from glassformer.recipes import build, launch
    from glassformer.recipes.words import recipe_of
    from glassformer.runs.report import write_report
    from glassformer.runs.run import check_free, new_run

    chosen = recipe_of(recipe, source, settings)
    folder = new_run(name, build.stem(chosen))
    check_free(folder)
    build.device_of(chosen.train.device)
    with progress_bars() as progress:
        data = build.dataset(chosen, progress)
    describe(data, console())
    outcome = launch.train(chosen, data, folder, say=say, watching=watching, minutes=minutes)
    finished(folder, outcome, write_report(folder))


def finished(folder: Path, outcome: str, report: Path) -> None:
    """The last lines of a training: what it has written, and what to do next."""
    if outcome == "interrupted":
        say("Stopped and saved.")
        suggest((typed("resume", folder), "continue where it stopped"))
        raise typer.Exit(130)
    say(f"Done. {report} shows the curves and samples; open it in a browser.")
    suggest(
        (typed("generate", folder), "let the model write"),
        (typed("eval", folder), "measure it beside n-grams, on text it has never seen"),
    )
