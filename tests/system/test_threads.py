"""Threads share work; where they cannot be started, or die, the work is done all the same and nobody waits for ever."""

import _thread
import os
import subprocess
import sys
import threading
import time

import pytest

from glassformer.system.threads import Job, Threads, in_threads, share_the_cores


def test_jobs_are_done_once_and_by_several_threads():
    seen, names = [], set()

    def work(i):
        seen.append(i)
        names.add(threading.get_ident())
        time.sleep(0.001)
        return i * i

    with in_threads(3) as threads:
        jobs = [threads.submit(lambda i=i: work(i)) for i in range(60)]
        assert [job.result() for job in jobs] == [i * i for i in range(60)]
        assert jobs[7].result() == 49 and jobs[7].is_over()
    assert sorted(seen) == list(range(60)) and len(names) > 1


def test_one_thread_is_none():
    with in_threads(1) as threads:
        assert threads is None


def test_an_error_comes_to_who_asks():
    def fail():
        raise KeyError("x")

    with in_threads(2) as threads:
        job, fine = threads.submit(fail), threads.submit(lambda: 5)
        for _ in range(2):
            with pytest.raises(KeyError):
                job.result()
        assert fine.result() == 5


def test_closing_cancels_what_nobody_has_begun_and_waits_for_the_rest():
    done, may_end = [], threading.Event()

    def slow():
        may_end.wait()
        time.sleep(0.05)
        done.append(1)

    with in_threads(2) as threads:
        begun = [threads.submit(slow) for _ in range(2)]
        while not all(job._begun.locked() for job in begun):
            time.sleep(0.001)
        waiting = [threads.submit(lambda: done.append(2)) for _ in range(5)]
        may_end.set()
    assert done == [1, 1] and all(job.is_over() for job in begun + waiting)
    with pytest.raises(RuntimeError, match="cancelled"):
        waiting[0].result()


def test_a_cancelled_job_is_not_done():
    job = Job(lambda: 1 / 0)
    assert job.cancel() and not job.cancel() and job.is_over()
    job.begin()
    with pytest.raises(RuntimeError, match="cancelled"):
        job.result()


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_without_threads_the_caller_does_the_work(monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    with in_threads(4) as threads:
        jobs = [threads.submit(lambda i=i: (i, threading.get_ident())) for i in range(5)]
        assert [job.result() for job in jobs] == [(i, threading.get_ident()) for i in range(5)]


def test_threads_that_die_at_once_are_not_waited_for(monkeypatch):
    monkeypatch.setattr(Threads, "_serve", lambda self: None)
    with in_threads(2) as threads:
        assert [threads.submit(lambda i=i: i).result() for i in range(5)] == list(range(5))


# Each allocation from number `n` on fails, `m` of them: what a tight limit does, at every place where it can happen.
NO_MEMORY = """
import sys, _testcapi
from glassformer.system.threads import Threads
threads = Threads(2)
for n in range(int(sys.argv[1]), int(sys.argv[2]), 2):
    try:
        try:
            _testcapi.set_nomemory(n, n + 4)
            jobs = [threads.submit(int) for _ in range(3)]
            results = [job.result() for job in jobs]
        finally:
            _testcapi.remove_mem_hooks()
    except MemoryError:
        pass
    threads.close()
    threads = Threads(2)
"""


def test_a_lack_of_memory_never_makes_anyone_wait():
    pytest.importorskip("_testcapi")
    program = [sys.executable, "-X", "faulthandler", "-c", NO_MEMORY, "0", "400"]
    assert subprocess.run(program, capture_output=True, timeout=60, check=False).returncode == 0


# A thread that ends before `threading.Thread.start` hears of it: what a tight memory limit did to an encode.
DEAD_THREADS = """
import threading
threading.Thread._bootstrap_inner = lambda self: None
from glassformer.tokenizers.bpe import BPE, compiled
tokenizer = BPE(vocab_size=260).train(["the goat"])
expected = tokenizer.encode("the goat " * 10) * 60_000
compiled.WAIT = dict.fromkeys(compiled.WAIT, 0.0)
tokenizer.threads = 2
assert tokenizer.encode("the goat " * 600_000) == expected
assert [a.tolist() for a in tokenizer.encode_array(["the goat " * 10] * 3)] == [expected[: len(expected) // 60_000]] * 3
"""


def test_encoding_does_not_wait_for_threads_that_died():
    done = subprocess.run([sys.executable, "-c", DEAD_THREADS], timeout=200, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("given", "spins"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)]
)
def test_threads_of_torch_that_wait_do_not_keep_a_core(monkeypatch, given, spins):
    monkeypatch.setattr(os, "environ", dict(given))
    share_the_cores()
    assert os.environ.get("GOMP_SPINCOUNT") == spins
