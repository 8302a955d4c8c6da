"""The lock of a folder: one process at a time, none that died, also where the file system knows no locks."""

import errno
import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from glassformer.errors import GlassError
from glassformer.system import lock
from glassformer.system.lock import Busy, holder, locked

ELSEWHERE = """
import sys, time
from pathlib import Path
from glassformer.errors import GlassError
from glassformer.system import lock
if sys.argv[2] == "no locks":
    def refused(file): raise lock._NoLocks
    lock._lock = refused
with lock.locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["locks", "no locks"])
def kind(request, monkeypatch):
    """A file system with locks, and one without."""
    if request.param == "no locks":
        monkeypatch.setattr(lock, "_lock", lambda file: (_ for _ in ()).throw(lock._NoLocks))
    return request.param


@pytest.fixture
def elsewhere(kind, tmp_path):
    """Another process that holds the lock of tmp_path/set."""
    process = subprocess.Popen([sys.executable, "-c", ELSEWHERE, str(tmp_path / "set"), kind], stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline().strip() == b"held"
    yield process
    process.kill()
    process.wait()


def test_fault_32_a_second_process_is_told_who_writes_and_a_killed_one_holds_nothing(elsewhere, tmp_path):
    assert f"process {elsewhere.pid} since " in (holder(tmp_path / "set") or "")
    refused = pytest.raises(
        Busy, match=rf"set is being written by process {elsewhere.pid} since ..:..; wait until it ends"
    )
    with refused, locked(tmp_path / "set"):
        pass
    elsewhere.kill()
    elsewhere.wait()
    assert names(tmp_path) == [".set.lock"] and holder(tmp_path / "set") is None
    with locked(tmp_path / "set"):
        assert f"process {os.getpid()} since " in (holder(tmp_path / "set") or "")
    assert names(tmp_path) == []


def test_fault_32_a_lock_left_by_a_process_whose_number_was_given_again_is_none(kind, tmp_path):
    """Only the time at which a process began tells it from a later one with the same number."""
    left = {"host": socket.gethostname(), "pid": os.getppid(), "born": -1, "since": 0}
    (tmp_path / ".set.lock").write_text(json.dumps(left))
    with locked(tmp_path / "set"):
        pass
    assert names(tmp_path) == []


def test_fault_32_without_locks_another_machine_is_believed_and_its_file_named(monkeypatch, tmp_path):
    monkeypatch.setattr(lock, "_lock", lambda file: (_ for _ in ()).throw(lock._NoLocks))
    (tmp_path / ".set.lock").write_text(json.dumps({"host": "ada", "pid": 1, "born": 1, "since": 1764300000}))
    refused = pytest.raises(Busy, match=r"process 1 on ada since .*if that process is gone, delete .*\.set\.lock")
    with refused, locked(tmp_path / "set"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="flock")
def test_what_a_file_system_without_locks_says_is_understood(tmp_path, monkeypatch):
    import fcntl

    def refuses(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuses)
    with locked(tmp_path / "set"):
        assert names(tmp_path) == [".set.lock"]
    assert names(tmp_path) == []


def test_of_many_one_works_at_a_time_and_the_others_are_told_that_they_wait(kind, tmp_path):
    working, most, waited = [], [], []

    def work():
        with locked(tmp_path / "set", waited.append):
            working.append(1)
            most.append(len(working))
            time.sleep(0.05)
            working.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 3 and len(waited) >= 1 and names(tmp_path) == []


def test_who_holds_a_lock_may_take_it_again_and_leaves_no_folder(tmp_path):
    with locked(tmp_path / "new" / "set"), locked(tmp_path / "new" / "set"):
        assert names(tmp_path) == ["new"]
    assert names(tmp_path) == []
    with locked(tmp_path / "new" / "set"):
        (tmp_path / "new" / "kept").touch()
    assert names(tmp_path) == ["new"]


def test_a_link_to_a_folder_has_the_lock_of_the_folder(elsewhere, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "set")
    with pytest.raises(Busy), locked(tmp_path / "link"):
        pass


def test_what_goes_wrong_in_the_work_is_told_as_it_is(tmp_path):
    with pytest.raises(OSError, match="mine"), locked(tmp_path / "new" / "set"):
        raise OSError("mine")
    with pytest.raises(GlassError, match="could not be written"), locked(tmp_path / "new" / ("a" * 254)):
        pass
    assert names(tmp_path) == []
