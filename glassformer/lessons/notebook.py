"""From a lesson's file to a notebook (jupytext's percent format), and two ways to run it: cell by cell in this process, or
as a notebook in a kernel of its own (nbclient).
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import torch

from glassformer import lessons
from glassformer.errors import GlassError
from glassformer.lessons.sources import Lesson
from glassformer.system.command import typed
from glassformer.system.extra import needed_for
from glassformer.system.files import write_atomic

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
"""For a notebook that a program runs: several run at once, and more threads gain nothing for models as small as these."""
PROSE = "prose"
"""The tag of a cell whose code only writes a text; notebooks fold it and pages leave its code out."""
SOLUTION = "solution"
"""The tag of a cell that fills a hole which the reader has left in the cell before; notebooks and pages fold its code."""
QUIET = ["--log-level=ERROR"]
"""What a kernel is started with, which else warns that it talks over TCP, on this machine alone."""


def notebook(lesson: Lesson) -> Any:
    """The lesson as a notebook without outputs (nbformat 4). The same file always gives the same bytes."""
    with needed_for(typed("lessons"), "lessons"):
        import jupytext  # pyright: ignore[reportMissingImports]
    made = jupytext.read(lesson.path, fmt="py:percent")
    made.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for number, cell in enumerate(made.cells):
        cell.id = f"{lesson.number}-{number}"
        tags = cell.metadata.get("tags", [])
        cell.metadata = {"tags": tags, "jupyter": {"source_hidden": True}} if {PROSE, SOLUTION} & {*tags} else {}
    return made


def write(made: Any, path: Path) -> Path:
    """Write a notebook as JSON, atomically; returns the path."""
    write_atomic(path, json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    return path


def run_here(lesson: Lesson) -> dict[str, Any]:
    """Run all cells in this process, small (`lessons.fast`); returns what they have defined. What they set for torch and
    matplotlib holds for them alone.

    An error gets a note with the lesson, the cell and the line where the cell begins.
    """
    text, at = lesson.path.read_text(encoding="utf-8"), 0
    space: dict[str, Any] = {"__name__": "__lesson__"}
    with needed_for("a lesson", "lessons"):
        import matplotlib  # pyright: ignore[reportMissingImports]
    with lessons.fast(), matplotlib.rc_context({"backend": "agg"}), torch.enable_grad(), torch.random.fork_rng([]):
        for number, cell in enumerate(notebook(lesson).cells):
            if cell.cell_type != "code":
                continue
            at = text.index(cell.source, at)
            line = text.count("\n", 0, at)
            try:
                exec(compile("\n" * line + cell.source, str(lesson.path), "exec"), space)
            except Exception as error:
                error.add_note(f"in {lesson.path.name}, cell {number}, which begins at line {line + 1}")
                raise
    return space


def run(lesson: Lesson, seconds: int = 300) -> Any:
    """The lesson as a notebook with its outputs, run in full in a kernel of its own. Raises GlassError that names the cell
    in which it fails."""
    with needed_for(typed("lessons"), "lessons"):
        from nbclient import NotebookClient  # pyright: ignore[reportMissingImports]
        from nbclient.exceptions import CellExecutionError, CellTimeoutError  # pyright: ignore[reportMissingImports]
    made = notebook(lesson)
    here = {"metadata": {"path": lesson.path.parent}}
    client = NotebookClient(made, timeout=seconds, kernel_name="python3", resources=here, extra_arguments=QUIET)
    try:
        client.execute(env={**os.environ, **ONE_THREAD})
    except (CellExecutionError, CellTimeoutError) as error:
        failed = next((i for i, cell in enumerate(made.cells) if _fails(cell)), len(made.cells) - 1)
        said = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()
        raise GlassError(f"{lesson.path.name} fails in cell {failed}: {said[-1] if said else error}") from error
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # when it ran, which differs every time
    return made


def _fails(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", []))
