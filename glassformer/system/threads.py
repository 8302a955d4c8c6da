"""A few threads that share work, and a caller who does himself what no thread has begun.

`concurrent.futures` waits for each new thread to say that it runs. When memory is so short that the thread ends before
it can say so, that wait never ends, and neither does the wait for a result that could not be handed over. Here nobody
waits for a thread to start: whoever needs the result of a job that no thread has begun does the job. So threads that
cannot be started, or die of a lack of memory, only cost time.
"""

import _thread
import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

R = TypeVar("R")


class Job(Generic[R]):
    """One call of a function, done once, by whichever thread begins it."""

    def __init__(self, work: Callable[[], R]) -> None:
        self._work: Callable[[], R] | None = work
        self._begun, self._done = _thread.allocate_lock(), _thread.allocate_lock()
        self._done.acquire()
        self._error: BaseException | None = None

    def begin(self) -> None:
        """Do the work, unless it has been begun or cancelled."""
        if self._begun.acquire(False):
            try:
                assert self._work
                self._result = self._work()
            except BaseException as error:
                self._error = error
            finally:
                self._work = None
                self._done.release()

    def cancel(self) -> bool:
        """See to it that nobody begins the work any more; False if it has been begun already."""
        if not self._begun.acquire(False):
            return False
        self._error = RuntimeError("this job was cancelled")
        self._done.release()
        return True

    def wait(self) -> None:
        """Return when the work, which somebody must have begun, is over."""
        with self._done:
            pass

    def is_over(self) -> bool:
        """Whether the work has been done, or has failed."""
        return not self._done.locked()

    def result(self) -> R:
        """What the work gave. Does it here and now if no thread has begun it; raises what it raised."""
        self.begin()
        self.wait()
        if self._error is not None:
            raise self._error
        return self._result


class Threads:
    """Up to `n` threads, started with the first job. `close` ends them."""

    def __init__(self, n: int) -> None:
        self._n, self._running = n, 0
        self._waiting: SimpleQueue[Job | None] = SimpleQueue()
        self._given: deque[Job] = deque()

    def submit(self, work: Callable[[], R]) -> Job[R]:
        """Have the work done by the next free thread."""
        while self._given and self._given[0].is_over():
            self._given.popleft()
        job = Job(work)
        self._given.append(job)
        self._waiting.put(job)
        while self._running < self._n:
            try:
                _thread.start_new_thread(self._serve, ())
                self._running += 1
            except (RuntimeError, MemoryError):  # the system allows no more threads; there may be none at all
                self._n = self._running
        return job

    def _serve(self) -> None:
        try:
            while (job := self._waiting.get()) is not None:
                job.begin()
        except MemoryError:
            pass  # the jobs that this thread would have begun are done by others

    def close(self) -> None:
        """Cancel the jobs that nobody has begun, wait for the others, and end the threads."""
        with contextlib.suppress(Empty):
            while True:
                self._waiting.get_nowait()
        for job in self._given:
            if not job.cancel():
                job.wait()
        self._given.clear()
        for _ in range(self._running):
            self._waiting.put(None)
        self._n = 0


@contextlib.contextmanager
def in_threads(n: int) -> Iterator[Threads | None]:
    """`Threads(n)`, closed in the end; None where one thread is enough."""
    if n < 2:
        yield None
        return
    threads = Threads(n)
    try:
        yield threads
    finally:
        threads.close()


def cores() -> int:
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_the_cores() -> None:
    """Let torch's threads sleep soon when they wait for each other. To be called before torch is imported.

    GNU's OpenMP lets a thread that waits spin 300,000 times, some milliseconds. If another program has the core of one
    thread, the other spins all that time, in every operator: a training beside other work was 2.5 times slower, and no
    faster on a quiet machine (LOG.md, "Threads that wait"). 1,000 times is what OpenMP itself takes where it knows that
    there are too few cores. What the user has set stays.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = "1000"
