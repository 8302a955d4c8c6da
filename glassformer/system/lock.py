"""One writer at a time: the lock of a run, of a dataset, of any folder, which a process that died cannot leave behind.

    runs/.demo.lock      {"host": "ada", "pid": 4711, "born": 81234, "since": 1764300000}

The operating system holds the lock (`flock`, on Windows `msvcrt.locking`) and lets go of it however its process ends; on
NFS, Linux passes it on to the server. The file only says whose it is. A few network file systems know no locks. There the
file itself, which only one process can create, is the lock: one of a process that no longer lives is removed, and one of
another machine, about which nothing can be known, is named in the message, so that a person can delete it.
"""

import contextlib
import errno
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from glassformer.errors import GlassError
from glassformer.system.files import cannot_write

WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
"""What a file system says that cannot lock files."""
MARK = 1 << 30
"""The byte that is locked on Windows, far behind the text, which others may then read."""
_mine = threading.local()
"""The locks that a thread holds: it may take them again."""


class Busy(GlassError):
    """Another process is writing to the same place."""


@contextlib.contextmanager
def locked(target: Path, waiting: Callable[[str], object] | None = None) -> Iterator[None]:
    """Hold the lock of `target`, a file or folder that need not exist yet.

    If another process holds it: wait, after a call of `waiting` with who that is, or raise Busy if there is no `waiting`.
    The thread that holds it may take it again. Raises GlassError where no file can be written.
    """
    lock = _beside(target)
    held: set[Path] = _mine.__dict__.setdefault("held", set())
    if lock in held:
        yield
        return
    with _folders(lock.parent):
        try:
            release = _taken(lock, target, waiting)
        except OSError as error:
            raise cannot_write(target, error) from error
        held.add(lock)
        try:
            yield
        finally:
            held.discard(lock)
            release()


@contextlib.contextmanager
def _folders(folder: Path) -> Iterator[None]:
    """The folder with those above it, which are removed again if nothing but the lock was in them."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            for path in made:
                path.rmdir()


class Reading:
    """Says that this process reads a file: `is_read` is true until `close`, or until nobody holds this object any more.

    Where files cannot be locked, nothing is said. On Windows an open file cannot be deleted anyway.
    """

    _descriptor: int | None = None

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    __del__ = close


def is_read(path: Path) -> bool:
    """Whether some `Reading` of the file is open, in this process or another."""
    with contextlib.suppress(ImportError, OSError), open(path, "rb+") as file:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def holder(target: Path) -> str | None:
    """Who holds the lock of `target` ("process 4711 since 14:02"); None if nobody does."""
    lock = _beside(target)
    if not lock.exists():
        return None
    try:
        with open(lock, "rb+") as file:
            free = _lock(file)
        return None if free else _who(lock)
    except _NoLocks:
        return _who(lock) if _lives(_facts(lock)) else None
    except OSError:
        return None


class _NoLocks(Exception):
    pass


def _beside(target: Path) -> Path:
    target = Path(os.path.realpath(target))
    return target.with_name(f".{target.name}.lock")


def _taken(lock: Path, target: Path, waiting: Callable[[str], object] | None) -> Callable[[], None]:
    """Take the lock; returns what lets go of it."""
    told = False
    while True:
        with contextlib.suppress(FileNotFoundError):  # it was removed between two of these steps
            try:
                release = _by_system(lock)
            except _NoLocks:
                release = _by_existence(lock)
            if release is not None:
                return release
            if waiting is None:
                hint = f" (if that process is gone, delete {lock})" if not _is_here(_facts(lock)) else ""
                raise Busy(f"{target} is being written by {_who(lock)}{hint}; wait until it ends, or stop it")
            if not told:
                waiting(_who(lock))
            told = True
            time.sleep(0.1)


def _by_system(lock: Path) -> Callable[[], None] | None:
    """The lock of the operating system, or None if another process has it. Raises _NoLocks."""
    file = open(lock, "ab+")  # noqa: SIM115 (closed with the lock)
    try:
        if not _lock(file):
            file.close()
            return None
        if not os.path.samestat(os.fstat(file.fileno()), os.stat(lock)):
            raise FileNotFoundError  # who was before us has removed this file when it ended, and others see a new one
    except BaseException as error:
        file.close()
        if isinstance(error, _NoLocks) and not lock.stat().st_size:
            lock.unlink()  # it was made by this attempt
        raise
    file.truncate(0)
    file.write(_own_facts())
    file.flush()

    def release() -> None:
        if os.name != "nt":  # there an open file cannot be removed
            lock.unlink(missing_ok=True)
        file.close()
        with contextlib.suppress(OSError):
            if os.name == "nt":
                lock.unlink()

    return release


def _by_existence(lock: Path) -> Callable[[], None] | None:
    """The file as the lock, or None if another process that may live has it."""
    if lock.exists():
        if _lives(_facts(lock)):
            return None
        lock.unlink()
    own = _own_facts()
    try:
        file = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return None
    os.write(file, own)
    os.close(file)
    time.sleep(0.05)  # another process that saw the old file too may be removing this one
    return (lambda: lock.unlink(missing_ok=True)) if lock.read_bytes() == own else None


def _lock(file: IO[bytes]) -> bool:
    """Lock an open file. Returns false if another process has locked it. Raises _NoLocks where files cannot be locked."""
    try:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            import msvcrt

            file.seek(MARK)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        return True
    except (BlockingIOError, PermissionError):  # the latter on Windows
        return False
    except OSError as error:
        if error.errno in WITHOUT_LOCKS:
            raise _NoLocks from None
        raise


def _own_facts() -> bytes:
    facts = {"host": socket.gethostname(), "pid": os.getpid(), "born": _born(os.getpid()), "since": int(time.time())}
    return json.dumps(facts).encode()


def _facts(lock: Path) -> dict[str, Any]:
    """What the file says about its process; empty if it says nothing yet."""
    try:
        facts = json.loads(lock.read_bytes())
        return facts if isinstance(facts, dict) else {}
    except (OSError, ValueError):
        return {}


def _who(lock: Path) -> str:
    facts = _facts(lock)
    if not isinstance(facts.get("pid"), int) or not isinstance(facts.get("since"), int):
        return "another process"
    where = "" if _is_here(facts) else f" on {facts.get('host')}"
    return f"process {facts['pid']}{where} since {time.strftime('%H:%M', time.localtime(facts['since']))}"


def _is_here(facts: dict[str, Any]) -> bool:
    return facts.get("host") in (None, socket.gethostname())


def _lives(facts: dict[str, Any]) -> bool:
    """Whether the process may still be at work: one of another machine may, and one of this machine does if there is a
    process of its number that began when it did."""
    if not _is_here(facts):
        return True
    try:
        os.kill(int(facts["pid"]), 0)
    except (ProcessLookupError, KeyError, ValueError, TypeError):
        return False
    except PermissionError:  # it is another user's
        pass
    return facts.get("born") == _born(int(facts["pid"]))


def _born(pid: int) -> int | None:
    """When a process began, in ticks since the machine did; None where the system does not say."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
