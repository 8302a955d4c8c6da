"""What `glass lessons` prints."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.padding import Padding

from glassformer.lessons.notebook import run, write
from glassformer.lessons.page import write_contents, write_page
from glassformer.lessons.sources import Lesson, lessons


def show(console: Any, all_of_them: list[Lesson]) -> None:
    """The number and title of each lesson, and below it what it is about."""
    for each in all_of_them:
        console.print(f"[bold]{each.number}[/]  [cyan]{escape(each.title)}[/]", highlight=False)
        console.print(Padding(escape(each.about), (0, 0, 0, 4), expand=False), highlight=False)


def build(console: Any, chosen: list[Lesson], folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
    """Run each lesson in full, and write its notebook with outputs and its page into `folder`, with a page that lists all
    lessons. Raises GlassError for a lesson that fails."""
    for each in chosen:
        began = clock()
        made = run(each)
        notebook = write(made, folder / f"{each.path.stem}.ipynb")
        page = write_page(each, made, folder / f"{each.path.stem}.html", lessons())
        console.print(f"{notebook} and {page.name}  ({clock() - began:.0f} s)", markup=False, soft_wrap=True)
    write_contents(folder / "index.html", lessons())
