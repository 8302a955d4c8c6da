"""Every run below a folder in one row: what it reads, how far it is, how good, in which state, and when that was.

Only the run folders are read, without torch, so the list is there at once. A run that cannot be read has a row as well,
which says what is wrong with it.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassformer.errors import GlassError
from glassformer.runs.run import Run
from glassformer.system.lock import holder

TURNS = ("start", "resume", "interrupted", "nan", "done")
"""Events after which a run is in another state."""


@dataclass(frozen=True)
class Row:
    """One run."""

    name: str
    """Its path below the folder that was listed."""
    text: str
    """What it reads: a path, or the name of a corpus."""
    done: int
    steps: int | None
    loss: float | None
    """The lowest held-out loss, in nats per token."""
    state: str
    """training, finished, interrupted, stopped (killed), diverged, imported or damaged."""
    when: float
    """Unix time of the last line that it wrote."""
    problem: str = ""
    """What is wrong with a damaged run, and what to do about it."""


def rows(root: Path) -> list[Row]:
    """The runs below `root`, at most two folders deep (as those of a comparison are), the newest first."""
    folders = {path.parent for name in ("run.json", "recipe.json", "checkpoints") for path in root.glob(f"*/{name}")}
    folders |= {path.parent for path in root.glob("*/*/run.json")}
    found = [row(root, folder) for folder in sorted(folders) if not folder.name.startswith(".")]
    return sorted(found, key=lambda each: -each.when)


def row(root: Path, folder: Path) -> Row:
    """The row of the run in `folder`, which lies below `root`."""
    name = folder.relative_to(root).as_posix()
    try:
        run = Run.open(folder)
        return _read(name, run, run.facts())
    except (GlassError, OSError) as error:
        return Row(name, "", 0, None, None, "damaged", _changed(folder), str(error))


def _read(name: str, run: Run, facts: dict[str, Any]) -> Row:
    events, train, evals = (run.metrics(kind) for kind in ("event", "train", "eval"))
    if "imported" in facts:
        text, state = f"from {Path(str(facts['imported'])).name}", "imported"
    else:
        text, state = _text(run.fact("dataset", "source")), _state(run, events)
    losses = [line["loss"] for line in evals if isinstance(line.get("loss"), float) and math.isfinite(line["loss"])]
    done = max((line["step"] for line in train + evals), default=0)
    times = [line["time"] for line in (events + train + evals) if isinstance(line.get("time"), int | float)]
    when = max(times, default=_changed(run.folder))
    return Row(name, text, done, planned_steps(run), min(losses, default=None), state, when)


def planned_steps(run: Run) -> int | None:
    """How many steps a run is to have: as it has decided last, else as its recipe says."""
    train = run.recipe().get("train")
    told = [train.get("steps") if isinstance(train, dict) else None]
    told += [event.get("steps") for event in run.metrics("event") if event.get("what") == "plan"]
    return next((steps for steps in reversed(told) if isinstance(steps, int)), None)


def _state(run: Run, events: list[dict[str, Any]]) -> str:
    if holder(run.folder) is not None:
        return "training"
    last = [event["what"] for event in events if event.get("what") in TURNS][-1:]
    return {"done": "finished", "nan": "diverged", "interrupted": "interrupted"}.get("".join(last), "stopped")


def _text(source: Any) -> str:
    """What a person calls a corpus: its path, its parts, its name on the hub, or its own name."""
    if not isinstance(source, dict):
        return str(source)
    if isinstance(source.get("parts"), dict):
        return ", ".join(source["parts"])
    return str(source.get("path") or source.get("dataset") or Path(str(source.get("name"))).stem)


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
