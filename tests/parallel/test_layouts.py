"""Every layout beside one process, in float64: bench/parallel.py, whose table is in docs/parallel.md."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "parallel.py"


@pytest.mark.slow
def test_every_layout_is_one_process(tmp_path):
    out = tmp_path / "out.json"
    ended = subprocess.run([sys.executable, BENCH, "--json", out], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = json.loads(out.read_text())
    right = [row for row in rows if not row["layout"].startswith("a mean of means")]
    (wrong,) = [row for row in rows if row not in right]
    assert wrong["losses"] > 1e-3 and wrong["norms"] > 1e-2  # the differences can be seen
    assert len(right) > 40
    for row in right:
        off = {kind: row[kind] for kind in ("losses", "norms", "block_norms", "held_out", "weights") if row[kind] > 1e-12}
        assert not off and row["tokens"] == 0, row
