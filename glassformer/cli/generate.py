"""`glass generate`: a trained model writes."""

from typing import Annotated

import typer

from glassformer.cli.arguments import RunFolder, argument, option
from glassformer.cli.terminal import console

Prompts = Annotated[list[str] | None, argument("Texts to continue; none starts a new one.")]
Knobs = Annotated[
    list[str] | None,
    option("--set", "-s", help="A sampling setting, e.g. temperature=0.7, top_k=50, seed=1.", metavar="SETTING=VALUE"),
]
Count = Annotated[int, typer.Option("--count", "-n", help="How many continuations of each.", min=1)]


def generate(folder: RunFolder, prompt: Prompts = None, knobs: Knobs = None, count: Count = 1) -> None:
    """Let a trained model write."""
    from glassformer.recipes.terminal import write_texts

    write_texts(folder, prompt or [""], knobs or [], count, console())
