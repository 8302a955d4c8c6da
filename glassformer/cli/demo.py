"""`glass demo`: a small model learns to write stories, in one command and five minutes."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from glassformer.cli.arguments import Name, minutes_from
from glassformer.cli.terminal import console, progress_bars, say, suggest, typed, watching
from glassformer.cli.train import finished

JUDGED = 24
"""Stories that the model, the untrained model and the 5-gram each write for the score."""
READ = 65_536
"""Held-out tokens that each of them predicts for the score."""
STARTED = time.perf_counter()
"""When the command began: this module is imported before anything slow."""
SCORING = 14
"""The score and the stories take about as long as so many evaluations with their samples: 11 on a quiet machine, 6 on a
busy one (LOG.md)."""
MARGIN = 0.04
"""This share of the time is kept for what cannot be foreseen, and for the start of Python."""
LEAST = 0.2
"""The training gets this share of the time, even if the other stages leave less."""


def demo(
    minutes: Annotated[
        float,
        typer.Option(
            metavar="MINUTES", parser=minutes_from(0.05),
            help="How long the whole demo may take. A longer training makes better stories.",
        ),
    ] = 5.0,
    name: Name = None,
) -> None:  # fmt: skip
    """Watch a small model learn to write stories, in five minutes.

    It makes the text (stories of a simulated village), trains a tokenizer
    and a model, scores the model, shows three of its best stories and the
    worst with what is wrong in them, and leaves a page with all curves. The
    training gets the time that the other stages leave, and adapts to the
    speed of the machine.
    """
    from glassformer.recipes.presets import mini
    from glassformer.runs.run import new_run

    recipe = mini()
    with new_run(name, "demo") as folder:
        _run(folder, recipe, minutes)


def _run(folder: Path, recipe: Any, minutes: float) -> None:
    """The five stages of the demo, whose run is made in `folder`."""
    from glassformer.lab.terminal import show_evaluation, show_stories
    from glassformer.recipes import build, launch
    from glassformer.recipes.measure import Limit
    from glassformer.runs.report import write_report

    screen = console()
    _heading(screen, "1  text", "a simulated village tells stories; this is one of them", typed("prepare", "village"))
    _panel(screen, recipe.corpus.story("train", 0).text, "dim")  # type: ignore[attr-defined]  (it is the village)

    _heading(
        screen, "2  tokens", "the tokenizer learns which letters often stand together",
        typed("tokenize", "One morning", "--replay"),
    )  # fmt: skip
    with progress_bars() as progress:
        data = build.dataset(recipe, progress)
    _tokens(screen, data.tokenizer, "Once upon a time a storm broke over the village.")

    _heading(screen, "3  training", "the model learns to predict the next token", typed("train", "village"))
    limit = Limit(minutes * (1 - MARGIN), STARTED, free=SCORING, least=60 * minutes * LEAST)
    outcome = launch.train(recipe, data, folder, say=say, watching=watching, limit=limit)
    if outcome == "interrupted":
        return finished(folder, outcome)

    _heading(
        screen, "4  score", "how well it predicts, and what the village's checker says of its stories",
        typed("eval", folder),
    )  # fmt: skip
    found = show_evaluation(folder, JUDGED, screen, READ)

    _heading(
        screen, "5  stories", "the best of those and the worst, with what the checker found wrong",
        typed("generate", folder),
    )  # fmt: skip
    show_stories(found, screen)
    say(
        f"Done in {time.perf_counter() - STARTED:.0f} seconds. {write_report(folder)} shows the curves and samples; "
        "open it in a browser."
    )
    suggest(
        (typed("generate", folder, "One morning"), "let the model continue a text"),
        (typed("demo", "--minutes", "20"), "train longer: the stories get better"),
        (typed("train", "my_book.txt"), "train on a text of your own"),
        (typed("settings", "mini"), "see everything that can be changed"),
    )


def _heading(screen: Any, title: str, what: str, command: str) -> None:
    """The title of a stage, what happens in it, and the command that does only this."""
    from rich.markup import escape

    screen.print(f"\n[bold cyan]{title}[/]  {what}  [dim]({escape(command)})[/]", soft_wrap=True)


def _panel(screen: Any, text: str, style: str) -> None:
    from rich.markup import escape
    from rich.panel import Panel

    screen.print(Panel(escape(text), width=min(100, screen.width), border_style=style))


def _tokens(screen: Any, tokenizer: Any, text: str) -> None:
    from rich.markup import escape

    screen.print("[dim]·[/]".join(escape(tokenizer.decode([id])) for id in tokenizer.encode(text)))
