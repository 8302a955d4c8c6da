"""`glass compare` on a terminal: what is asked, a table, verdicts, and where the report is."""

import itertools
import statistics
import string
from collections.abc import Iterator
from typing import Any, get_args

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from glassformer.errors import SettingError
from glassformer.lab.compare import Result, Stopped, compare
from glassformer.lab.compare.design import GRID, Budget, Design, Question, budget_sentence, warnings
from glassformer.lab.compare.measure import LENGTHS
from glassformer.lab.compare.page import write_page
from glassformer.recipes.words import recipe_of, split
from glassformer.runs.run import named_folder


def run(
    console: Console, source: str | None, settings: list[str] | None, recipe: str, against: list[str], seeds: int,
    budget: str, minutes: float | None, tune: bool, name: str | None, progress: Any,
) -> None:  # fmt: skip
    """Compare, print, write the report. Raises GlassError."""
    if not against:
        raise SettingError('say what to compare with, for example: glass compare --against "model.mixer=sliding"')
    if budget not in get_args(Budget):
        raise SettingError(f"--budget={budget}: the budgets are {', '.join(get_args(Budget))}")
    source, settings = split(source, settings)
    question = Question(source, recipe, tuple(settings), tuple(against), seeds, budget, minutes, tune)  # pyright: ignore[reportArgumentType]
    folder = named_folder(name or f"compare-{question.key}")
    base = recipe_of(recipe, source, [])
    _say(console, to_train(question, base.override(*settings).train.steps))
    with progress() as report_progress:
        try:
            design, results = compare(
                question,
                base,
                folder,
                say=lambda line: _say(console, line),
                progress=report_progress,
            )
        except Stopped:
            _say(console, "saved; the same command goes on from here")
            return
    show(console, design, results)
    _say(console, f"Curves, verdicts and the command of every run: {write_page(folder, design, results)}")


def to_train(question: Question, steps: int) -> str:
    """How much lies ahead, the baseline having `steps` unless the question gives it minutes."""
    n_models = 1 + len(question.against)
    runs, tuning = n_models * question.seeds, n_models * len(GRID) * question.tune
    each = f"{steps:,} steps" if question.minutes is None else f"{question.minutes:g} minutes"
    equal = {"steps": "", "flops": " or as many FLOPs", "time": " or as much time"}[question.budget]
    said = f"{n_models} models x {question.seeds} seeds = {runs} runs of {each}{equal}"
    said += f", after {tuning} that tune" if tuning else ""
    if question.minutes is not None:
        said += f": about {question.minutes * (runs + tuning):.0f} minutes in all"
    return f"{said}; each is told of when it ends"


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)


def show(console: Console, design: Design, results: list[Result]) -> None:
    """The table, the verdicts, and what to keep in mind."""
    table = Table(title="on held-out text, means over the seeds", title_justify="left", box=None, header_style="bold")
    header, rows = cells(design, results)
    table.add_column("", style="cyan")
    for column in header[1:]:
        table.add_column(column, justify="right")
    for letter, row in zip(letters(), rows):
        console.print(f"[cyan]{letter}[/]  {escape(row[0])}", soft_wrap=True)
        table.add_row(letter, *row[1:])
    console.print(table)
    console.print(budget_sentence(design), style="dim")
    for result in results[1:]:
        console.print(escape(result.verdict), style="bold")
    for line in warnings(design):
        console.print(f"[yellow]note:[/] {escape(line)}", soft_wrap=True)


def letters() -> Iterator[str]:
    """A to Z, then AA, AB ..., without end."""
    for n in itertools.count(1):
        yield from map("".join, itertools.product(string.ascii_uppercase, repeat=n))


def cells(design: Design, results: list[Result]) -> tuple[list[str], list[list[str]]]:
    """The table as text: its head, and a row for each model."""
    told = any(run.understood is not None for result in results for run in result.runs)
    header = ["", "bits per byte", *[f"at {k}x" for k in LENGTHS[1:]],
              *["sentences understood", "claims consistent"] * told,
              "parameters", "steps", "tokens/s", "memory"]  # fmt: skip
    rows = []
    for result in results:
        entry, runs = result.entry, result.runs
        share = [f"{value:.0%}" if value is not None else "-" for value in
                 (_mean([run.understood for run in runs]), _mean([run.consistent for run in runs]))]  # fmt: skip
        peak = max((run.memory_gb for run in runs if run.memory_gb is not None), default=entry.memory / 2**30)
        rows.append([
            entry.label, spread([run.bpb for run in runs]), *[_length(runs, k) for k in LENGTHS[1:]], *share * told,
            f"{entry.parameters:,}", f"{entry.steps:,}", f"{statistics.median(run.tokens_per_s for run in runs):,.0f}",
            f"{1024 * peak:,.1f} MiB" if peak < 1 else f"{peak:.2f} GiB",
        ])  # fmt: skip
    return header, rows


def spread(values: list[float | None]) -> str:
    """Mean and standard deviation of what did not diverge."""
    there = [value for value in values if value is not None]
    if len(there) < 2:
        return f"{there[0]:.4f}" if there else "diverged"
    lost = f" ({len(values) - len(there)} diverged)" if len(there) < len(values) else ""
    return f"{statistics.fmean(there):.4f} ± {statistics.stdev(there):.4f}{lost}"


def _length(runs: list[Any], k: int) -> str:
    if all(run.bpb is None for run in runs):
        return "-"
    mean = _mean([run.lengths[str(k)] for run in runs])
    return "cannot" if mean is None else f"{mean:.3f}"


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return statistics.fmean(there) if there else None
