"""TensorBoard: an event file in the run folder, so that `tensorboard --logdir runs` shows every run under its name.

The file is written anew from the logs each time the run is opened, and replaces the one of before: it never holds a step
twice, whatever happened to the process that wrote the last one. The recipe stands on the page "HParams".
"""

import json
import logging
import textwrap
import time
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportMissingImports]
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportMissingImports]
from tensorboard.plugins.hparams.summary_v2 import hparams_pb  # pyright: ignore[reportMissingImports]
from tensorboard.plugins.text.summary_v2 import text_pb  # pyright: ignore[reportMissingImports]
from tensorboard.summary.writer.event_file_writer import EventFileWriter  # pyright: ignore[reportMissingImports]

from glassformer.config.flat import flat
from glassformer.runs.dashboard import Dashboard
from glassformer.runs.run import Run

log = logging.getLogger(__name__)
OURS = ".glass"
"""How the name of our event file ends; other event files are left alone."""


class TensorBoard(Dashboard):
    """The event file of a run."""

    def __init__(self, run: Run):
        super().__init__(run)
        before = list(run.folder.glob(f"events.out.tfevents.*{OURS}"))
        self.writer = EventFileWriter(str(run.folder), filename_suffix=OURS)
        for path in before:
            path.unlink()
        self.forget(-1)  # a TensorBoard that has shown the file of before begins again
        self._write(hparams_pb(_shown(flat(run.recipe())), trial_id=run.name))
        log.info("TensorBoard: `tensorboard --logdir %s` shows this run", run.folder.parent)

    def numbers(self, step: int, values: dict[str, float], time: float) -> None:
        shown = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Summary(value=shown), step, time)

    def sample(self, step: int, prompt: str, text: str, time: float) -> None:
        as_it_is = textwrap.indent(text, "    ", lambda line: True)  # Markdown's way of saying: change nothing
        self._write(text_pb("sample", as_it_is), step, time)

    def forget(self, step: int) -> bool:
        self.writer.add_event(
            Event(wall_time=time.time(), step=step + 1, session_log=SessionLog(status=SessionLog.START))
        )
        return True

    def flush(self) -> None:
        self.writer.flush()

    def close(self, failed: bool) -> None:
        self.writer.close()

    def _write(self, summary: Any, step: int = 0, when: float | None = None) -> None:
        self.writer.add_event(Event(wall_time=when or time.time(), step=step, summary=summary))


def _shown(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as values that the page can show: numbers, truth values and texts."""
    return {
        path: value if isinstance(value, bool | int | float | str) else json.dumps(value)
        for path, value in settings.items()
    }
