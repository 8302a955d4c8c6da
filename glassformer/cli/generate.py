"""`glass generate`: a trained model writes."""

import sys
from typing import Annotated

import typer

from glassformer.cli.arguments import RunOrShipped, argument, bits_among, option
from glassformer.cli.terminal import suggest, typed
from glassformer.runs.shipped import called, favourite

Prompts = Annotated[
    list[str] | None,
    argument("Texts to continue. Without one, the model starts a new text.", metavar="PROMPT"),
]
Knobs = Annotated[
    list[str] | None,
    option(
        "--set", "-s", metavar="SETTING=VALUE",
        help="How the next token is chosen, such as temperature=0.7, top_k=50 or seed=1; max_new_tokens=500 writes more.",
    ),
]  # fmt: skip
Count = Annotated[int, typer.Option("--count", "-n", metavar="N", help="Continuations of each prompt.", min=1)]
Bits = Annotated[
    int | None,
    option(
        "--bits", parser=bits_among(32, 16, 8, 4), metavar="32|16|8|4",
        help="Bits of a weight: fewer are faster on a CPU and less exact. Without it, the weights are used as they are.",
    ),
]  # fmt: skip


def generate(
    folder: RunOrShipped = None, prompt: Prompts = None, knobs: Knobs = None, count: Count = 1, bits: Bits = None
) -> None:
    """Let a trained model write.

    Without RUN, a model that comes with the package writes.
    A pipe or a file gets exactly its characters, as UTF-8, with three dashes
    between two texts. A terminal shows control characters as escapes.

    Try: [cyan]./glass generate village-mini "One morning" -n 3 -s temperature=0.5[/]
    """
    from glassformer.recipes.terminal import write_texts

    folder = folder or favourite()
    write_texts(folder, prompt or [""], knobs or [], count, bits)
    if sys.stdout.isatty():
        told = [f"--set={knob}" for knob in knobs or []]
        suggest((typed("generate", called(folder), *(prompt or []), "-n", 3, *told), "write three texts"))
