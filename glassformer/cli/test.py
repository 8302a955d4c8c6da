"""`glass test`: the test suite."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer

from glassformer.errors import GlassError
from glassformer.system.command import LAUNCHER, typed
from glassformer.system.extra import needed_for

PASS_ON: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Settings of the command: every word after it is pytest's, but --lessons."""
LESSONS = ["tests/lessons/test_lessons.py", "-m", "slow", "-k", "in_full", "--durations", "0"]
"""The words for pytest that --lessons stands for."""


def test(context: typer.Context) -> None:
    """Run the tests; what follows goes to pytest (a file, -k NAME, -m slow for the long ones).

    --lessons runs every lesson in full, as a notebook.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "tests").is_dir() or not LAUNCHER.is_file():
        raise GlassError("an installed package has no tests: clone the repository and run ./glass test there")
    asked = list(context.args)
    if "--lessons" in asked:
        with needed_for(typed("test", "--lessons"), "lessons"):
            import nbclient  # pyright: ignore[reportMissingImports] # noqa: F401
        asked = [*LESSONS, *(word for word in asked if word != "--lessons")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GLASS_")}
    words = [sys.executable, "-m", "pytest", "-n", str(min(os.cpu_count() or 1, 8)), "--dist", "worksteal"]
    sys.exit(subprocess.run([*words, *asked], cwd=root, env=environment).returncode)
