"""The lines that were added to the logs of a run since the last look.

What follows a run reads them here, in the process that trains it or in another one.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

from glassformer.runs.run import Run, is_resume, restored
from glassformer.system.lock import holder

LOGS = ("metrics.jsonl", "samples.jsonl")
PAUSE = 0.5
"""Seconds between two looks at a run that is in training."""


def follow(run: Run) -> Iterator[dict[str, Any]]:
    """Every line of a run as a `Tail` gives it; while the run is in training, each new one when it comes."""
    tail = Tail(run)
    while True:
        training = holder(run.folder) is not None
        yield from tail.new()
        if not training:
            return
        time.sleep(PAUSE)


class Tail:
    """Reads the logs of a run from their beginning; samples have the kind "sample"."""

    def __init__(self, run: Run):
        self.folder = run.folder
        self.read: dict[str, int] = dict.fromkeys(LOGS, 0)

    def new(self) -> list[dict[str, Any]]:
        """The valid lines of both logs since the last call, in the order in which they were written.

        Without those that a later `resume` among them cancels. A line that is being written comes the next time.
        """
        found = sorted((line for name in LOGS for line in self._lines(name)), key=lambda line: line.get("time", 0.0))
        kept: list[dict[str, Any]] = []
        for line in found:
            if is_resume(line):
                kept = [old for old in kept if old["step"] <= line["step"] or old["kind"] == "event"]
            kept.append(line)
        return kept

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        try:
            with open(self.folder / name, "rb") as file:
                file.seek(self.read[name])
                whole, end, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return
        self.read[name] += len(whole) + len(end)
        for text in whole.split(b"\n"):
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(line, dict) and isinstance(line.get("step"), int):
                yield {"kind": "", **restored(line)} if name == "metrics.jsonl" else {**line, "kind": "sample"}
