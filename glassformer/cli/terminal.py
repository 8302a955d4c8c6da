"""How verbs print: plain lines, commands that the reader can type, progress."""

import os
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import glassformer

LAUNCHER = Path(glassformer.__file__).parents[1] / "glass"
"""Beside the package in a clone; an installed package has none."""
WINDOWS = os.name == "nt"


def console() -> Any:
    """Where verbs print."""
    from rich.console import Console

    return Console(highlight=False, emoji=False)  # ":books:" in a text is no emoji


def say(line: str) -> None:
    """Print one line as it is."""
    console().print(line, markup=False, soft_wrap=True)


def tell_notes() -> None:
    """Let what a person should know (a `Note` of ours) be one sentence on stderr, as an error is."""
    usual = warnings.showwarning

    def show(message: Any, category: Any, *where: Any, **more: Any) -> None:
        if category.__name__ != "Note":
            return usual(message, category, *where, **more)
        print(f"glass: note: {message}", file=sys.stderr)

    warnings.showwarning = show


def typed(*words: object) -> str:
    """A command of ours as this reader can type it here, quoted where the shell needs it.

    >>> typed("generate", "runs/my first")    # in the clone's folder; elsewhere with the path to it
    "./glass generate 'runs/my first'"

    Without words it is the program alone. Where there is no launcher, the command is `glass`.
    """
    program = "glass" if WINDOWS else "./glass"
    if LAUNCHER.parent != Path.cwd():
        program = str(LAUNCHER)
    command = ["glass"] if not LAUNCHER.is_file() else ["python", program] if WINDOWS else [program]
    command += map(str, words)
    return subprocess.list2cmdline(command) if WINDOWS else shlex.join(command)


def suggest(*commands: tuple[str, str]) -> None:
    """Print what can be done next: (command, what it does), one a line."""
    width = max(len(command) for command, _ in commands)
    say("Next:")
    for command, effect in commands:
        say(f"  {command:<{width}}   {effect}")


def watching(steps: int, done: int) -> Any:
    """Shows a training of `steps` steps, `done` of which were made before; a context that gives a Watch."""
    from glassformer.train.terminal import Display

    return Display(console(), steps, done)


def progress_bars() -> Any:
    """Shows how far each stage of a preparation is; a context that gives a Progress."""
    from glassformer.data.terminal import watching

    return watching(console())
