"""Worker processes and the keyboard: Ctrl-C is the parent's, from the first moment of a worker's life."""

import os
import subprocess
import sys

import pytest

from glassformer.system import workers


@pytest.mark.skipif(os.name == "nt", reason="signal masks of POSIX")
def test_fault_25_a_worker_that_still_starts_does_not_answer_ctrl_c():
    code = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    with workers._deaf_to_ctrl_c():
        assert subprocess.check_output([sys.executable, "-c", code]) == b"True\n"
    assert subprocess.check_output([sys.executable, "-c", code]) == b"False\n"


@pytest.mark.skipif(os.name == "nt", reason="signal masks of POSIX")
def test_ctrl_c_in_that_moment_is_not_lost():
    """In a process of one thread: of several, any that is not deaf would take it."""
    code = """if True:
        import os, signal
        from glassformer.system import workers
        try:
            with workers._deaf_to_ctrl_c():
                os.kill(os.getpid(), signal.SIGINT)
                print("not yet")
        except KeyboardInterrupt:
            print("now")"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "not yet\nnow\n"
