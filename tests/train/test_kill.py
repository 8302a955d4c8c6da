"""`kill -9` at random moments and inside of saves: the resumed run ends with the very bits of the undisturbed one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = Path(__file__).parents[2] / "bench" / "kills.py"


def claims(*options):
    """What the script of the measurement says at its end."""
    made = subprocess.run([sys.executable, KILLS, *options], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return [json.loads(line) for line in made.stdout.splitlines() if line.startswith("{")]


pytestmark = pytest.mark.skipif(not hasattr(os, "waitid"), reason="the script forks, and looks whether a process has ended")


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_fifty_kills_change_nothing():
    corrupt, other = claims("--kills", "50")
    assert corrupt["kills"] == 50 and corrupt["in_a_save"] >= 10
    assert corrupt["ours"] == other["ours"] == 0


def test_a_few_kills_change_nothing():
    corrupt, other = claims("--kills", "2", "--steps", "8")
    assert corrupt["kills"] == 2 and corrupt["ours"] == other["ours"] == 0


@pytest.mark.slow
def test_another_run_is_seen():
    """The comparison can fail: the run that is not disturbed has another seed."""
    made = subprocess.run(
        [sys.executable, KILLS, "--kills", "0", "--steps", "2", "--whole", "train.seed=1"], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert made.returncode == 1 and '"ours": 2' in made.stdout.splitlines()[-1], made.stdout + made.stderr
