"""`glass find-lr`: at which learning rate the loss falls."""

from typing import Annotated

import typer

from glassformer.cli.arguments import Name, RecipeName, Settings, Source, option
from glassformer.cli.terminal import console, progress_bars, say, suggest, typed
from glassformer.cli.train import DEFAULT

Low = Annotated[
    float | None, option("--low", metavar="RATE", help="The first rate. Without it, a thousandth of the recipe's.")
]
High = Annotated[
    float | None, option("--high", metavar="RATE", help="The last rate. Without it, a thousand times the recipe's.")
]
Steps = Annotated[int, typer.Option("--steps", metavar="N", min=50, max=5000, help="Steps of the ramp.")]


def find_lr(
    source: Source = None,
    settings: Settings = None,
    recipe: RecipeName = DEFAULT,
    low: Low = None,
    high: High = None,
    steps: Steps = 300,
    name: Name = None,
) -> None:
    """Find the learning rate at which the loss falls fastest.

    A short training in which the rate grows until the loss rises (Smith,
    2017). It finds the order of magnitude; [cyan]./glass compare --tune[/]
    trains whole models at several rates.

    Try: [cyan]./glass find-lr village train.optimizer=sgd[/]
    """
    from glassformer.errors import SettingError
    from glassformer.lab.find_lr.reading import rounded
    from glassformer.lab.find_lr.terminal import show
    from glassformer.recipes import build, sizes
    from glassformer.recipes.words import recipe_of, split
    from glassformer.runs.run import named_folder

    chosen, given = recipe_of(recipe, source, settings), sizes.told(split(source, settings)[1])
    if recipe == DEFAULT:
        chosen = sizes.with_vocabulary(chosen, given)
    low, high = low or chosen.train.learning_rate / 1000, high or chosen.train.learning_rate * 1000
    if not 0 < low < high / 10:
        raise SettingError(
            f"--low {low:g} --high {high:g}: the last rate must be over ten times the first, and both above 0"
        )
    folder = named_folder(name or "find-lr")
    with progress_bars() as progress:
        data = build.dataset(chosen, progress)
    if recipe == DEFAULT:
        chosen, _ = sizes.fitted(chosen, data.index.train.bytes, data.index.train.tokens, given)
    words = [*filter(None, [source]), *(settings or []), "-r", recipe]
    again = typed("find-lr", *words, "--low", f"{low:g}", "--high", f"{high:g}", "--steps", steps)
    found = show(console(), chosen, data, low, high, steps, folder, again, say)
    if found.steepest is not None:
        rate = f"train.learning_rate={rounded(found.steepest)}"
        suggest((typed("train", *words, rate), "train with it"),
                (typed("compare", *words, "--against", rate, "--tune"), "measure several rates in whole runs"))  # fmt: skip
