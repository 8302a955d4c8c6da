"""A command of ours as this reader can type it: errors and hints that name a command follow how `glass` was called."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import glassformer

LAUNCHER = Path(glassformer.__file__).resolve().parents[1] / "glass"
"""Beside the package in a clone; an installed package has none."""
WINDOWS = os.name == "nt"


def typed(*words: object) -> str:
    """A command as it can be typed in this folder, quoted where the shell needs it.

    >>> typed("generate", "runs/my first")    # in the clone's folder; elsewhere with the path to the launcher
    "./glass generate 'runs/my first'"

    Without words it is the program alone.
    """
    return _joined([*_program(), *map(str, words)])


def on_a_page(*words: object) -> str:
    """A command as an HTML page writes it: other people open that elsewhere, and need not learn where this clone lies."""
    return _joined([("./glass" if LAUNCHER.is_file() else "glass"), *map(str, words)])


def _joined(command: list[str]) -> str:
    return subprocess.list2cmdline(command) if WINDOWS else shlex.join(command)


def _program() -> list[str]:
    """The launcher of a clone; for an installed package `glass`, or what was typed where the shell does not find that."""
    if not LAUNCHER.is_file():
        if Path(sys.argv[0]).name == "__main__.py":
            return [sys.executable if WINDOWS else "python3", "-m", "glassformer"]
        started = Path(sys.argv[0])
        found = shutil.which("glass")
        is_other = started.stem == "glass" and started.is_file() and not (found and Path(found).samefile(started))
        return [str(started)] if is_other else ["glass"]
    name = LAUNCHER.name if _is_here() else str(LAUNCHER)
    if WINDOWS:
        return ["python", name]
    if not os.access(LAUNCHER, os.X_OK):  # an archive, or a disk without that bit
        return ["python3", name]
    return ["./glass" if _is_here() else name]


def document(name: str) -> str | None:
    """Where this reader finds a page of `docs/`; None for an installed package, which has none."""
    if not LAUNCHER.is_file():
        return None
    return f"docs/{name}" if _is_here() else str(LAUNCHER.parent / "docs" / name)


def _is_here() -> bool:
    try:
        return LAUNCHER.parent == Path.cwd().resolve()
    except OSError:  # the folder was deleted meanwhile
        return False
