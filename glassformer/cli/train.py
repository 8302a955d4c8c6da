"""`glass train`: a model from a text."""

import contextlib
import time
from pathlib import Path
from typing import Annotated

import typer

from glassformer.cli.arguments import Minutes, Name, RecipeName, Settings, Source, option
from glassformer.cli.terminal import console, progress_bars, say, suggest, typed, watching
from glassformer.errors import GlassError
from glassformer.system import torchrun

DEFAULT = "mini"


def train(
    source: Source = None,
    settings: Settings = None,
    recipe: RecipeName = DEFAULT,
    name: Name = None,
    minutes: Minutes = None,
    speedrun: Annotated[
        bool, option("--speedrun", help="Learn what can be learned in seconds, with one layer and tables of n-grams.")
    ] = False,
) -> None:
    """Train a model on a text.

    Without a recipe and settings, the size of the model, the number of steps
    and the evaluations are chosen for the size of the text, and the weights
    of the lowest held-out loss are kept. Ctrl-C saves and stops;
    [cyan]./glass resume[/] continues, [cyan]./glass extend[/] adds steps.

    Try: [cyan]./glass train my_book.txt --minutes 10[/]
    """
    from glassformer.data.terminal import describe
    from glassformer.recipes import build, launch, sizes, together
    from glassformer.recipes.measure import Limit
    from glassformer.recipes.words import recipe_of, split
    from glassformer.runs import dashboard
    from glassformer.runs.run import named_folder, new_run

    if speedrun:
        if recipe != DEFAULT:
            raise GlassError(f"--speedrun chooses the recipe: leave out --recipe {recipe}")
        recipe = sizes.speedrun(recipe_of(recipe, source, None).corpus)
    chosen, given = recipe_of(recipe, source, settings), sizes.told(split(source, settings)[1])
    if recipe == DEFAULT:
        chosen = sizes.with_vocabulary(chosen, given)
    build.device_of(chosen.train.device)
    dashboard.available(chosen.train.watch)
    launched = torchrun.launch()
    with together.meet(chosen, launched) as world, contextlib.ExitStack() as stack:
        places = [named_folder(name)] if name else sorted(Path("runs").glob("*"))
        if again := world.told(lambda: str(together.begun(launched, places) or "")):
            folder = Path(again)
            with progress_bars() as progress:
                outcome = launch.resume(folder, say=say, progress=progress, watching=watching, world=world)
        else:
            folder = Path(world.told(lambda: str(stack.enter_context(new_run(name, build.stem(chosen))))))
            with progress_bars() as progress:
                data = world.first(lambda: build.dataset(chosen, progress))
            describe(data, console())
            most, chosen_for = (chosen.train.steps if "train.steps" in given else None), ""
            if recipe == DEFAULT:
                chosen, chosen_for = sizes.fitted(chosen, data.index.train.bytes, data.index.train.tokens, given)
            if chosen_for:
                say(chosen_for)
                most = chosen.train.steps
            limit = None if minutes is None else Limit(minutes, time.perf_counter(), most)
            outcome = launch.train(
                chosen, data, folder, say=say, watching=watching, limit=limit, told=given, world=world
            )
    finished(folder, outcome)


def finished(folder: Path, outcome: str) -> None:
    """The last lines of a training: what it has written, and what to do next."""
    from glassformer.runs import checkpoint
    from glassformer.runs.report import write_report

    report = write_report(folder) if torchrun.is_first() else None
    if outcome == "interrupted":
        say("Stopped and saved.")
        suggest((typed("resume", folder), "continue where it stopped"))
        raise typer.Exit(130)
    if note := checkpoint.used(folder):
        say(note)
    say(f"Done. {report} shows the curves and samples; open it in a browser.")
    suggest(
        (typed("generate", folder), "let the model write"),
        (typed("eval", folder), "measure it beside n-grams, on text it has never seen"),
    )
