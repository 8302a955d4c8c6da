"""What all stages of a preparation share: where it works, its settings and journal, and whom it tells how far it is."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from glassformer.data import DataConfig
from glassformer.data.prepare.journal import Journal

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, the bytes of text done, and the bytes in all, if known. Equal numbers end a stage;
with two zeros, the first argument is a sentence for the reader."""

OFTEN = 1 << 18  # bytes


class Stage:
    """Tells a `Progress` about one stage after another, not more often than it is worth."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._name, self._told, self._total = "", 0, None

    def say(self, sentence: str) -> None:
        self._progress(sentence, 0, 0)

    def begin(self, name: str, done: int = 0, total: int | None = None) -> None:
        """A stage begins; `done` is what an interrupted preparation had done of it."""
        self._name, self._told, self._total = name, done, total
        if done:
            self.say(f"continuing from {done / 1e6:.1f} MB ({name})")
        self._tell(done)

    def at(self, done: int) -> None:
        """That much is done."""
        if done - self._told >= OFTEN:
            self._tell(done)

    def end(self, done: int) -> None:
        """The stage is over, and that much was done."""
        done = max(1, done)
        self._progress(self._name, done, done)

    def _tell(self, done: int) -> None:
        self._told = done
        known = self._total is not None and self._total > done
        self._progress(self._name, done, self._total if known else None)


class Preparation(NamedTuple):
    """One preparation, in the folder that grows."""

    folder: Path
    config: DataConfig
    journal: Journal
    stage: Stage
    n_workers: int
