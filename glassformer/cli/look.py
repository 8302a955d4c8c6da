"""`glass look`: inside a trained model while it reads a text."""

from pathlib import Path
from typing import Annotated

import typer

from glassformer.cli.arguments import argument, option
from glassformer.cli.terminal import console, suggest, typed

Words = Annotated[
    list[str],
    argument(
        "The folder of a run or of one of its checkpoints, or a model that comes with the package; then the text in "
        "quotes, a file with a text, or - for standard input. Without RUN, the model that comes with the package reads.",
        metavar="[RUN] TEXT",
    ),
]
Html = Annotated[
    Path | None,
    option("--html", metavar="FILE", help="Write a page with all pictures there, such as look.html, instead of printing."),
]
Place = Annotated[
    int | None,
    option("--place", metavar="N", help="The token to look at first, counted from 0. Without it, the last one."),
]
Knobs = Annotated[
    list[str] | None,
    option(
        "--set", "-s", metavar="SETTING=VALUE", help="How the next token is chosen, such as temperature=0.7 or top_k=50."
    ),
]
OverTime = Annotated[
    bool,
    typer.Option(
        "--over-time",
        help="With --html: show the snapshots of the run too (train.snapshots=true), or else its checkpoints.",
    ),
]


def look(words: Words, html: Html = None, place: Place = None, knobs: Knobs = None, over_time: OverTime = False) -> None:
    """Look inside a model while it reads a text: losses, heads, guesses.

    The terminal shows what each token cost, what the heads do, what each layer
    would say, and the next token. A page with [cyan]--html[/] shows every head, which
    part said what, and why each number is that number; it opens offline.

    Try: [cyan]./glass look "Walt sat at the smithy, counting swallows. He"[/]
    """
    from glassformer.lens.look.command import look_at
    from glassformer.runs.shipped import called

    folder = look_at(console(), words, html, place, knobs or [], over_time)
    if html is None:
        given = [f"--place={place}"] if place is not None else []
        suggest((typed("look", called(folder), words[-1], *given, "--html", "look.html"), "see every head, on a page"))
