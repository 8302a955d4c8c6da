"""`glass train`: a model from a text."""

from pathlib import Path

from glassformer.cli.arguments import Minutes, Name, RecipeName, Settings, Source
from glassformer.cli.terminal import console, progress_bars, say, watching


def train(
    source: Source = None,
    settings: Settings = None,
    recipe: RecipeName = "mini",
    name: Name = None,
    minutes: Minutes = None,
) -> None:
    """Train a model on a text. Ctrl-C saves; [cyan]glass resume[/] continues."""
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
    """The last line of a training: where things are, and what to do next."""
    if outcome == "interrupted":
        say(f"saved; continue with: glass resume {folder}")
    else:
        say(f"done. Look: {report}   Write: glass generate {folder}   Judge: glass eval {folder}")
