"""The demo: from nothing to a model that writes stories, in one command and about five minutes on two CPU cores."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from glassformer import pipeline
from glassformer.corpora.village import Village
from glassformer.generate.text import complete
from glassformer.judge import judge
from glassformer.presets import mini
from glassformer.report import write_report
from glassformer.train import checkpoint

STORIES = 3
"""Stories shown at the end."""
JUDGED = 24
"""Stories written by each writer for the score."""


def demo(console: Console, minutes: float, name: str | None, watching: Callable[[int, int], Any], progress: Any) -> None:
    """Prepare the village, train `mini` for `minutes`, write, judge, report. Every stage is a verb of its own as well."""
    started = time.perf_counter()
    recipe = mini()
    folder = pipeline.new_run(name, "demo")
    pipeline.check_free(folder)

    _heading(console, "1  text", "a simulated village tells stories; here is one (glass prepare village)")
    assert isinstance(recipe.corpus, Village)
    console.print(Panel(escape(recipe.corpus.story("train", 0).text), width=min(100, console.width), border_style="dim"))
    _heading(console, "2  tokens", "the tokenizer learns which letters belong together")
    with progress() as report_progress:
        data = pipeline.dataset(recipe, report_progress)
    opening = "Once upon a time a storm broke over the village."
    pieces = [data.tokenizer.decode([i]) for i in data.tokenizer.encode(opening)]
    console.print("[dim]·[/]".join(escape(piece) for piece in pieces))

    _heading(console, "3  training", "predict the next token, millions of times (glass train village)")
    outcome = pipeline.train(
        recipe, data, folder, say=lambda line: console.print(escape(line)), watching=watching, minutes=minutes
    )
    if outcome == "interrupted":
        write_report(folder)
        console.print(f"saved; continue with: glass resume {folder}")
        return

    _heading(console, "4  score", "the village's checker reads new stories back (glass eval)")
    judge(folder, JUDGED, console)
    _heading(console, "5  stories", f"nobody wrote these (glass generate {folder})")
    for text in _stories(folder, recipe):
        console.print(Panel(escape(text), width=min(100, console.width), border_style="cyan"))
    console.print(f"{time.perf_counter() - started:.0f} seconds. Everything about this run: {write_report(folder)}")
    console.print("Next: glass settings, glass train your.txt, README.md")


def _stories(folder: Path, recipe: Any) -> list[str]:
    saved = checkpoint.load(folder)
    sampling = recipe.sample.override("max_new_tokens=400", "seed=7")
    return complete(saved.model(), saved.tokenizer(), [""] * STORIES, sampling)


def _heading(console: Console, title: str, what: str) -> None:
    console.print(f"\n[bold cyan]{title}[/]  [dim]{what}[/]")
