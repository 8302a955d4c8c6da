"""`glass eval` on a terminal: how well a model predicts, what the checker says of its stories, and some of them.

What the checker found wrong is marked by brackets and by colour, so it is seen where there is no colour, too.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from glassformer.corpora.village.score import Judgement
from glassformer.lab.evaluate import MOST_TOKENS, Evaluation, judge
from glassformer.lab.stories import Mark, interval, marks
from glassformer.runs import checkpoint
from glassformer.system.blank_lines import without_blank_runs
from glassformer.system.visible import visible

PREDICTING = {
    "bpb": "bits per byte", "name_said": "nats per name already said", "name_unsaid": "nats per name not yet said",
}  # fmt: skip
PREFERRING = {"keeps_name": "one name", "keeps_look": "one colour or look", "keeps_pronoun": "one he or she"}
SHARES = {
    "understood": "sentences understood", "consistent": "claims consistent", "complete": "stories complete",
    "right": "stories right", "copied": "stories copied",
}  # fmt: skip
MEANS = {"sentences": "sentences a story", "claims": "claims a story"}
MEANING = (
    "Complete: it came to its own end, is as long as village stories and says as much. Right: it is complete and has no "
    "fault. Only what was written after the opening counts, and nothing that was copied or said twice."
)
NARROW = 44
"""Columns below which the untrained model, whose stories are worth nothing, is left out."""
STYLES = {"given": "dim", "right": "", "wrong": "bold red", "unread": "yellow", "again": "magenta"}
SIGNS = {"unread": "?", "again": "="}
LEGEND = {
    "given": "The beginning up to | was given to the model.",
    "wrong": "[1: this contradicts what was said before; line 1 below the story says how]",
    "unread": "[?: this is no sentence that the checker can read]",
    "again": "[=: this says again what was said]",
}  # fmt: skip
BEST = 3
"""Stories shown besides the worst."""
REASONS = 6
"""Contradictions explained below a story."""
LACKS = 2
"""Lines on what it lacks to be complete."""


def show_evaluation(
    folder: Path, n_stories: int, console: Console, most_tokens: int = MOST_TOKENS, source: str | None = None
) -> Evaluation:
    """Evaluate the run in `folder`, on its own text or on `source`, and print the numbers. Raises GlassError."""
    with console.status("") as status:
        found = judge(folder, n_stories, status.update, most_tokens, source)
    if note := checkpoint.used(folder):
        console.print(note, markup=False)
    console.print(_predicting(found))
    if found.ratio < 1:
        console.print(f"The model needs {1 - found.ratio:.0%} fewer bits than the {found.longest}.")
    else:
        console.print(f"The {found.longest}, which only counts, predicts better: the model needs {times(found.ratio)}.")
    if any(name in found.rows["model"] for name in PREFERRING):
        console.print(_preferring(found))
    if found.stories:
        console.print(_judging(found, console.width))
        console.print(MEANING, style="dim")
        console.print(_sentence(found))
    for note in found.notes:
        console.print(note)
    return found


def show_stories(found: Evaluation, console: Console) -> None:
    """Print the best of the model's stories and the worst, with what the checker found wrong."""
    chosen = _chosen(found.stories)
    kinds = {mark.kind for _, judgement in chosen for mark in marks(judgement)}
    console.print(Text("\n").join(Text(text, STYLES[kind]) for kind, text in LEGEND.items() if kind in kinds))
    for title, judgement in chosen:
        console.print(_story(title, judgement, min(100, console.width)))


def times(ratio: float) -> str:
    """How many bits, where it is not fewer."""
    return f"{ratio:.1f} times as many bits" if ratio >= 1.05 else "about as many bits"


def _predicting(found: Evaluation) -> Table:
    table = Table(title="on text that none of them was trained on", title_justify="left", box=None, header_style="bold")
    table.add_column("", no_wrap=True)
    shown = [name for name in PREDICTING if name in found.rows["model"]]
    for name in shown:
        table.add_column(PREDICTING[name], justify="right")
    for who, values in found.rows.items():
        if "bpb" in values:
            cells = [f"{values[name]:.{3 if name == 'bpb' else 2}f}" if name in values else "" for name in shown]
            table.add_row(who, *cells, style="bold" if who == "model" else "")
    return table


def _preferring(found: Evaluation) -> Table:
    table = Table(
        title="\nhow often a held-out story is likelier than the same story with one word changed", title_justify="left",
        box=None, header_style="bold",
    )  # fmt: skip
    table.add_column("", no_wrap=True)
    shown = [name for name in PREFERRING if name in found.rows["model"]]
    for name in shown:
        table.add_column(PREFERRING[name], justify="right")
    for who, values in found.rows.items():
        if any(name in values for name in shown):
            table.add_row(who, *[f"{values[name]:.0%}" for name in shown], style="bold" if who == "model" else "")
    return table


def _judging(found: Evaluation, width: int) -> Table:
    """One column for each writer."""
    n = len(found.stories)
    table = Table(
        title=f"\nwhat the village's checker says of {n} stories each", title_justify="left", box=None,
        header_style="bold", padding=(0, 1, 0, 0), pad_edge=False,
    )  # fmt: skip
    writers = [who for who in found.rows if "understood" in found.rows[who]]
    if width < NARROW:
        writers.remove("untrained")
    table.add_column("")
    for who in writers:
        table.add_column(who, justify="right", style="bold" if who == "model" else "", no_wrap=True)
    rows = [found.rows[who] for who in writers]
    for name, label in SHARES.items():
        table.add_row(label, *[f"{row[name]:.0%}" for row in rows])
    for name, label in MEANS.items():
        table.add_row(label, *[f"{row[name]:.0f}" for row in rows])
    return table


def _sentence(found: Evaluation) -> str:
    """How sure the numbers are."""
    row, n = found.rows["model"], len(found.stories)
    low, high = interval(row["right"], n)
    return (
        f"The model's shares, as far as {n} stories tell: understood ± {row['understood_error']:.0%}, consistent ± "
        f"{row['consistent_error']:.0%} (standard errors), right {low:.0%} to {high:.0%} (95 % interval)."
    )


def _chosen(stories: Sequence[Judgement]) -> list[tuple[str, Judgement]]:
    """The best ones and the worst, with their titles; `stories` are the best first."""
    shown = [(f"no. {i} of {len(stories)}", judgement) for i, judgement in enumerate(stories[:BEST], start=1)]
    return shown + [(f"the worst of {len(stories)}", stories[-1])] * (len(stories) > BEST)


def _story(title: str, judgement: Judgement, width: int) -> RenderableType:
    """The story in a frame, and what is wrong with it."""
    text, reasons = Text(), list[str]()
    for mark in marks(judgement):
        text.append(*_bracketed(mark, reasons))
    told, wrong = sum(judgement.new), sum(bool(verdict.contradictions) for verdict in judgement.sentences)
    summary = f"{told} of {len(judgement.sentences)} sentences are understood and new; {wrong} contradict the story."
    lines = [*reasons[:REASONS], *[f"... and {len(reasons) - REASONS} more"] * (len(reasons) > REASONS)]
    lines.append("Right: it is whole and has no fault." if judgement.right else summary)
    lines += [f"{lack[0].upper()}{lack[1:]}." for lack in judgement.lacks[:LACKS]]
    return Group(Panel(text, title=title, title_align="left", border_style="cyan", width=width), Text("\n".join(lines)))


def _bracketed(mark: Mark, reasons: list[str]) -> tuple[str, str]:
    """(text, style) of a piece; the reasons of a contradiction are added to `reasons`."""
    text, style = visible(without_blank_runs(mark.text)), STYLES[mark.kind]
    if mark.kind == "given":
        return f"{text} |", style
    if mark.kind == "right":
        return text, style
    sign = SIGNS.get(mark.kind, "")
    if mark.kind == "wrong":
        sign = str(len(reasons) + 1)
        reasons.append(f"{sign}: {'; '.join(mark.why)}")
    return f"[{sign}: {text}]", style
