"""`glass compare` on a terminal: what is asked, a table, verdicts, and where the report is."""

import itertools
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from glassformer.lab.compare import Result, best_run, compare
from glassformer.lab.compare.design import Design, Question, budget_sentence, to_train, warnings
from glassformer.lab.compare.page import write_page
from glassformer.lab.compare.table import table
from glassformer.recipes.words import recipe_of, refuse_without_effect
from glassformer.runs.run import named_folder


def run(
    console: Console, source: str | None, settings: list[str] | None, recipe: str, against: list[str], seeds: int,
    budget: str, minutes: float | None, tune: bool, name: str | None, progress: Any,
) -> Path | None:  # fmt: skip
    """Compare, print the result and write the report; returns the folder of the best run, None if all diverged. Raises
    GlassError, and Stopped at Ctrl-C."""
    question = Question.of(source, settings, recipe, against, seeds, budget, minutes, tune)
    folder = named_folder(name or f"compare-{question.key}")
    base = recipe_of(recipe, question.source, [])
    changed = base.override(*question.settings)
    refuse_without_effect(changed, question.settings)
    _say(console, to_train(question, changed.train.steps))
    with progress() as report_progress:
        design, results = compare(question, base, folder, say=lambda line: _say(console, line), progress=report_progress)
    show(console, design, results)
    _say(console, f"Curves, verdicts and the command of every run: {write_page(folder, design, results)}")
    return best_run(folder, design, results)


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)


def show(console: Console, design: Design, results: list[Result]) -> None:
    """The table, the verdicts and the warnings. A model is named by a letter in the table, to keep the table narrow."""
    printed = Table(title="on held-out text, means over the seeds", title_justify="left", box=None, header_style="bold")
    header, rows = table(design, results)
    printed.add_column("", style="cyan")
    for column in header[1:]:
        printed.add_column(column, justify="right")
    for letter, row in zip(letters(), rows):
        console.print(f"[cyan]{letter}[/]  {escape(row[0])}", soft_wrap=True)
        printed.add_row(letter, *row[1:])
    console.print(printed)
    console.print(budget_sentence(design), style="dim")
    for result in results[1:]:
        console.print(escape(result.verdict), style="bold")
    for line in warnings(design):
        console.print(f"[yellow]note:[/] {escape(line)}", soft_wrap=True)


def letters() -> Iterator[str]:
    """A to Z, then AA, AB ..., without end."""
    for n in itertools.count(1):
        yield from map("".join, itertools.product(string.ascii_uppercase, repeat=n))
