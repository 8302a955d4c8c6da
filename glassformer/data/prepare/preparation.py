"""What all stages of a preparation share: its folder, settings and journal, and how progress is reported."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from glassformer.data import DataConfig
from glassformer.data.prepare.journal import Journal

Progress = Callable[[str, int, int | None], None]
"""Called with (what is being done, bytes of text done, bytes in all or None if not known). A stage ends when the two
numbers are equal. If both are 0, the first argument is a sentence to show."""

OFTEN = 1 << 18  # bytes


class Stage:
    """Reports one stage after another to a `Progress`, at most every OFTEN bytes."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._name, self._told, self._total = "", 0, None

    def say(self, sentence: str) -> None:
        self._progress(sentence, 0, 0)

    def begin(self, name: str, done: int = 0, total: int | None = None) -> None:
        """A stage begins. `done` is how much of it an interrupted preparation has already done."""
        self._name, self._told, self._total = name, done, total
        if done:
            self.say(f"continuing from {done / 1e6:.1f} MB ({name})")
        self._tell(done)

    def at(self, done: int) -> None:
        """`done` bytes are done."""
        if done - self._told >= OFTEN:
            self._tell(done)

    def end(self, done: int) -> None:
        """The stage is over; `done` bytes were done."""
        done = max(1, done)
        self._progress(self._name, done, done)

    def _tell(self, done: int) -> None:
        self._told = done
        known = self._total is not None and self._total > done
        self._progress(self._name, done, self._total if known else None)


class Preparation(NamedTuple):
    """One preparation: the folder that grows, and everything that its stages need."""

    folder: Path
    config: DataConfig
    journal: Journal
    stage: Stage
    n_workers: int
