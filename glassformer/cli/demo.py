"""`glass demo`: from nothing to a model that writes stories, in one command and about five minutes on two CPU cores."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from glassformer.cli.arguments import Name
from glassformer.cli.terminal import console, progress_bars, watching

STORIES = 3
"""Stories shown at the end."""
JUDGED = 24
"""Stories written by each writer for the score."""


def demo(
    minutes: Annotated[float, typer.Option(help="How long to train; more is better.", min=0.05, max=1e6)] = 3.0,
    name: Name = None,
) -> None:
    """From nothing to a model that writes stories: text, tokens, training, score, report."""
    from glassformer.lab.terminal import show_evaluation
    from glassformer.recipes import build, launch
    from glassformer.recipes.presets import mini
    from glassformer.runs.report import write_report
    from glassformer.runs.run import check_free, new_run

    screen, started, recipe = console(), time.perf_counter(), mini()
    folder = new_run(name, "demo")
    check_free(folder)

    _heading(screen, "1  text", "a simulated village tells stories; here is one (glass prepare village)")
    _panel(screen, recipe.corpus.story("train", 0).text, "dim")  # type: ignore[attr-defined]  (it is the village)

    _heading(screen, "2  tokens", "the tokenizer learns which letters belong together")
    with progress_bars() as progress:
        data = build.dataset(recipe, progress)
    _tokens(screen, data.tokenizer, "Once upon a time a storm broke over the village.")

    _heading(screen, "3  training", "predict the next token, millions of times (glass train village)")
    outcome = launch.train(recipe, data, folder, say=_saying(screen), watching=watching, minutes=minutes)
    if outcome == "interrupted":
        write_report(folder)
        screen.print(f"saved; continue with: glass resume {folder}")
        return

    _heading(screen, "4  score", "the village's checker reads new stories back (glass eval)")
    show_evaluation(folder, JUDGED, screen)

    _heading(screen, "5  stories", f"nobody wrote these (glass generate {folder})")
    for text in _stories(folder, recipe):
        _panel(screen, text, "cyan")
    screen.print(f"{time.perf_counter() - started:.0f} seconds. Everything about this run: {write_report(folder)}")
    screen.print("Next: glass settings, glass train your.txt, README.md")


def _stories(folder: Path, recipe: Any) -> list[str]:
    from glassformer.generate.text import complete
    from glassformer.runs import checkpoint

    saved = checkpoint.load(folder)
    sampling = recipe.sample.override("max_new_tokens=400", "seed=7")
    return complete(saved.model(), saved.tokenizer(), [""] * STORIES, sampling)


def _heading(screen: Any, title: str, what: str) -> None:
    screen.print(f"\n[bold cyan]{title}[/]  [dim]{what}[/]")


def _panel(screen: Any, text: str, style: str) -> None:
    from rich.markup import escape
    from rich.panel import Panel

    screen.print(Panel(escape(text), width=min(100, screen.width), border_style=style))


def _tokens(screen: Any, tokenizer: Any, text: str) -> None:
    from rich.markup import escape

    screen.print("[dim]·[/]".join(escape(tokenizer.decode([id])) for id in tokenizer.encode(text)))


def _saying(screen: Any) -> Any:
    return lambda line: screen.print(line, markup=False, soft_wrap=True)
