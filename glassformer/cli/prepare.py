"""`glass prepare`: text in, a dataset out."""

from typing import Annotated

import typer

from glassformer.cli.arguments import RecipeName, Settings, Source, Workers
from glassformer.cli.terminal import console, progress_bars


def prepare(
    source: Source = None,
    settings: Settings = None,
    recipe: RecipeName = "mini",
    fresh: Annotated[bool, typer.Option("--fresh", help="Prepare again even if it is there, or half there.")] = False,
    workers: Workers = None,
    explain: Annotated[bool, typer.Option("--explain", help="Only show what cleaning does to ten documents.")] = False,
) -> None:
    """Clean a text, train its tokenizer and store it as a dataset, ready for training.

    Interrupted (Ctrl-C, a power cut, kill -9), the same command continues it.
    """
    from glassformer.data.clean.terminal import explain_documents
    from glassformer.data.terminal import describe
    from glassformer.recipes.build import dataset
    from glassformer.recipes.words import recipe_of

    chosen = recipe_of(recipe, source, settings)
    if explain:
        return explain_documents(chosen.corpus, chosen.data.clean, console())
    with progress_bars() as progress:
        data = dataset(chosen, progress, fresh, workers)
    describe(data, console())
