"""`glass prepare`: text in, a dataset out."""

from typing import Annotated

import typer

from glassformer.cli.arguments import RecipeName, Settings, Source, Workers
from glassformer.cli.terminal import console, progress_bars, suggest, typed
from glassformer.cli.train import DEFAULT


def prepare(
    source: Source = None,
    settings: Settings = None,
    recipe: RecipeName = DEFAULT,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over, even if the dataset is there or half made.")
    ] = False,
    workers: Workers = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Only show ten documents before and after each cleaning step.")
    ] = False,
) -> None:
    """Clean a text, train a tokenizer on it, and store it as a dataset for training.

    [cyan]./glass train[/] does this by itself. If it is interrupted (Ctrl-C,
    a power cut, kill -9), the same command continues.

    Try: [cyan]./glass prepare my_texts --explain[/]
    """
    from glassformer.data.clean.terminal import explain_documents
    from glassformer.data.terminal import describe
    from glassformer.recipes import sizes
    from glassformer.recipes.build import dataset
    from glassformer.recipes.words import recipe_of, split

    chosen = recipe_of(recipe, source, settings)
    words = [*([source] if source else []), *(settings or []), *(["--recipe", recipe] if recipe != DEFAULT else [])]
    if recipe == DEFAULT:  # the same text is then ready for `glass train`
        chosen = sizes.with_vocabulary(chosen, sizes.told(split(source, settings)[1]))
    if explain:
        explain_documents(chosen.corpus, chosen.data.clean, console())
        return suggest((typed("prepare", *words), "write the dataset"))
    with progress_bars() as progress:
        data = dataset(chosen, progress, fresh, workers)
    describe(data, console())
    suggest(
        (typed("train", *words), "train a model on it"),
        (typed("data", "check", data.folder), "look for leaks, repetitions and damage"),
    )
