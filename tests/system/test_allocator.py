"""Freed memory is kept where the C library can, and nothing happens elsewhere."""

import subprocess
import sys

import pytest

from glassformer.system import allocator

FAULTS = """
import resource, sys
from glassformer.system.allocator import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit("no glibc")
for _ in range(6):
    block = b"x" * (40 << 20)
    del block
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: pytest.fail("called"))
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert not allocator.keep_freed_memory()

    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(allocator.sys, "platform", "linux")
    monkeypatch.setattr(allocator.ctypes, "CDLL", missing)
    assert not allocator.keep_freed_memory()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's mallopt")
def test_a_block_that_comes_again_takes_no_new_pages():
    faults = {}
    for form in ("system", "keep"):
        done = subprocess.run([sys.executable, "-c", FAULTS, form], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(done.stderr.strip()[-80:])
        faults[form] = int(done.stdout)
    assert faults["keep"] < 0.5 * faults["system"]
