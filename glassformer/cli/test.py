"""`glass test`: the test suite."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer

PASS_ON: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Settings of the command: every word after it is pytest's."""


def test(context: typer.Context) -> None:
    """Run the tests; what follows goes to pytest (a file, -k NAME, -m slow for the long ones)."""
    words = [sys.executable, "-m", "pytest", "-n", str(min(os.cpu_count() or 1, 8)), "--dist", "worksteal"]
    sys.exit(subprocess.run([*words, *context.args], cwd=Path(__file__).resolve().parents[2]).returncode)
