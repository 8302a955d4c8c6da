"""Ctrl-C and SIGTERM: a training saves before it stops.

torchrun and the queue of a cluster both send the signal to every process, so there a second one is no impatience: torchrun
kills what still runs after 30 seconds.
"""

import signal
from typing import Any, Self

from glassformer.system import torchrun


class Signals:
    """Use as a context. The first Ctrl-C or SIGTERM is kept in `received` for the loop to see; the second acts at once,
    but for processes that torchrun has started."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._receive)
        except ValueError:  # not the main thread: whoever runs us there handles signals
            pass
        return self

    def __exit__(self, *error: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: Any) -> None:
        self.received = signal.Signals(number)
        if torchrun.launch() is None:
            signal.signal(number, self._previous[self.received])
