"""The loader: builds the next batches in another thread while the model computes on this one.

A batch is a function of its step, so there is nothing to coordinate: a thread builds the batches of steps s + 1 ...
s + AHEAD, and a batch that it has not begun is built when it is asked for. The result is the same either way.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

from glassformer.data.batches import Batch

AHEAD = 3
"""Batches built before they are asked for."""


class Loader:
    """`batches`, built ahead of time. Use it as a context: when it closes, the thread finishes its batch and ends.

    >>> with Loader(sampler, steps=1000) as batches:
    ...     batches(7)    # the same as sampler(7); steps 8, 9 and 10 are being built when it returns
    """

    def __init__(self, batches: Callable[[int], Batch], steps: int, pinned: bool = False) -> None:
        """No batch from step `steps` on is built ahead. `pinned` puts batches into memory that a GPU can read directly."""
        self.batches, self.steps, self.pinned = batches, steps, pinned
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._ahead: dict[int, Future[Batch]] = {}

    def __call__(self, step: int) -> Batch:
        """The batch of `step`. Raises what building it raised, in either thread."""
        if step not in self._ahead:  # the first step of a run, or a jump: begin again from here
            self._forget()
            self._ahead[step] = self._thread.submit(self._build, step)
        batch = self._ahead.pop(step)
        for next_step in range(step + 1, min(step + 1 + AHEAD, self.steps)):
            if next_step not in self._ahead:
                self._ahead[next_step] = self._thread.submit(self._build, next_step)
        return batch.result()

    def follow(self, batches: Callable[[int], Batch], steps: int) -> None:
        """From now on give the batches of `batches`, of which there are `steps`."""
        if batches is not self.batches:
            self._forget()
        self.batches, self.steps = batches, steps

    def _build(self, step: int) -> Batch:
        batch = self.batches(step)
        return batch.pinned() if self.pinned else batch

    def _forget(self) -> None:
        for future in self._ahead.values():
            future.cancel()
        self._ahead.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._thread.shutdown(cancel_futures=True)
