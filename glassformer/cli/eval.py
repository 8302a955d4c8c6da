"""`glass eval`: how good a model is on text it has never seen."""

from typing import Annotated

import typer

from glassformer.cli.arguments import RunOrShipped, argument
from glassformer.cli.terminal import console, suggest, typed
from glassformer.runs.shipped import called, is_shipped

Stories = Annotated[
    int,
    typer.Option(metavar="N", help="Stories to write and check, if the model was trained on the village.", min=1),
]


Text = Annotated[
    str | None,
    argument(
        "Another text to measure it on: a file, a folder, or any other source. Without it, the text it was trained on.",
        metavar="TEXT",
    ),
]


def evaluate(folder: RunOrShipped, source: Text = None, stories: Stories = 40) -> None:
    """Measure a model on text it has never seen.

    Prints its bits per byte beside those of n-grams, which only count, and
    of the untrained model. A model of the village also writes stories; the
    village's checker reads them, and you see the best ones and the worst.
    """
    from glassformer.lab.terminal import show_evaluation, show_stories
    from glassformer.runs.checkpoint import is_imported

    screen = console()
    found = show_evaluation(folder, stories, screen, source=source)
    if found.stories:
        show_stories(found, screen)
    steps = [] if is_shipped(folder) else [(typed("report", folder), "see the curves and these numbers on one page")]
    if found.ratio >= 1 and not is_imported(folder) and not is_shipped(folder):
        steps.insert(0, (typed("extend", folder, "--minutes", "10"), "train it longer"))
    suggest(*steps, (typed("generate", called(folder)), "let the model write"))
