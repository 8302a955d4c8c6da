"""What a dashboard costs a training: milliseconds for each logged line, wall time and CPU time of the training process.

    python bench/dashboards.py                    every dashboard that is installed, a minute; --lines 5000

`nothing` is the line in metrics.jsonl alone. W&B runs offline, so no network is measured, and Trackio writes into a folder
of its own. A run logs a line every ten steps (train.log_every), and an evaluation now and then.
"""

import argparse
import importlib.util
import json
import os
import tempfile
import time
from pathlib import Path

from measure import claim

from glassformer.runs.dashboard import Watch, names
from glassformer.runs.run import Run

TARGET = 1.0
"""Milliseconds a line."""
LINE = {"loss": 3.0, "lr": 1e-3, "grad_norm": 1.0, "tokens_per_s": 5e3, "data_seconds": 0.0, "memory_gb": 0.5}


def cost(tools: list[str], lines: int) -> tuple[float, float, float]:
    """(seconds to open, wall milliseconds a line, CPU milliseconds a line)."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run", json.dumps({"train": {"steps": lines}}), {})
        began = time.perf_counter()
        with Watch(run, tools) as watch:
            opened, cpu = time.perf_counter(), time.process_time()
            for step in range(lines):
                run.log("train", step, tokens=step, seconds=step / 10, **LINE)
                watch()
            wall, cpu = time.perf_counter() - opened, time.process_time() - cpu
        assert not watch.lost, watch.lost
    return opened - began, 1000 * wall / lines, 1000 * cpu / lines


def main() -> None:
    """Measure nothing first, then each tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(WANDB_MODE="offline", TRACKIO_DIR=folder)
        for name in ["nothing", *(name for name in names() if importlib.util.find_spec(name))]:
            opened, wall, cpu = cost([] if name == "nothing" else [name], lines)
            print(f"{name}: opens in {opened:.2f} s; a line takes {wall:.2f} ms, of which the CPU is busy {cpu:.2f}")
            claim(f"CPU milliseconds of the training process for a logged line, {name}", cpu, None, None, TARGET)


if __name__ == "__main__":
    main()
