"""The same work on many batches, in several processes, with the results in the order of the batches.

Worker processes are started only if they pay off: when this process has worked for TRIAL seconds, and if a batch takes
longer than sending it back and forth. So small corpora and quick steps have no overhead. If workers cannot be started
(in a script without `if __name__ == "__main__":`), or if one dies, this process does their batches.
"""

import _thread
import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

B = TypeVar("B")
R = TypeVar("R")

TRIAL = 1.0
"""Seconds of work in this process before workers are started."""
TRIP = 0.005
"""About how many seconds it takes to send a batch of one megabyte and its result."""


def in_order(work: Callable[[B], R], batches: Iterable[B], n_workers: int) -> Iterator[tuple[B, R]]:
    """Each batch with `work(batch)`. A few batches are read ahead. `work`, batches and results must be picklable."""
    batches, spent = iter(batches), 0.0
    for n_done, batch in enumerate(batches, start=1):
        start = time.perf_counter()
        result = work(batch)
        spent += time.perf_counter() - start
        yield batch, result
        if spent > TRIAL and spent / n_done > TRIP and n_workers > 1 and multiprocessing.parent_process() is None:
            yield from _in_processes(work, batches, n_workers)


def refuse_to_be_imported_by_a_worker() -> None:
    """End a worker process that imports a script without `if __name__ == "__main__":`, before it repeats the script's
    work."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(
            "glassformer: no worker processes are used, because the script that called it has no "
            '`if __name__ == "__main__":` around its main part'
        )


def _in_processes(work: Callable[[B], R], batches: Iterator[B], n_workers: int) -> Iterator[tuple[B, R]]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(n_workers, context, initializer=_begin, initargs=(work,))
    waiting: deque[tuple[B, Future | None]] = deque()
    try:
        for batch in batches:
            waiting.append((batch, _submit(pool, batch)))
            if len(waiting) > 2 * n_workers:
                yield _result(work, *waiting.popleft())
        while waiting:
            yield _result(work, *waiting.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, batch: Any) -> Future | None:
    try:
        with _deaf_to_ctrl_c():
            return pool.submit(_do, batch)
    except BrokenProcessPool:
        return None


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes that are started inside the block never get Ctrl-C, not even while they still import their modules; this
    process gets it after the block. Windows cannot do that."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _result(work: Callable[[B], R], batch: B, future: Future | None) -> tuple[B, R]:
    try:
        if future is not None:
            return batch, future.result()
    except BrokenProcessPool:
        pass
    return batch, work(batch)


# In a worker: the work that it does.
_work: Callable[[Any], Any]


def _begin(work: Callable[[Any], Any]) -> None:
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    _thread.start_new_thread(_end_with_parent, ())  # `threading` would wait for it, for ever if memory is short


def _end_with_parent() -> None:
    """End this worker when its parent ends: a killed parent cannot tell its workers, and they would wait forever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _do(batch: Any) -> Any:
    return _work(batch)
