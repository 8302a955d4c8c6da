"""A folder that appears complete or not at all, and that only one process at a time makes.

`files.write_atomic` does this for one file. A dataset consists of several large files. They are written to a hidden
folder beside the target and forced to disk, and then the folder is renamed. A crash leaves only the hidden folder,
which the next attempt continues if it is the same work, and deletes otherwise. A lock, which the system releases when
its process dies, shows whether another process is still at work.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from glassformer.system.files import cannot_write, remove_unfinished, sync_folder


@contextlib.contextmanager
def one_at_a_time(target: Path, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock of `target`, waiting until no other process holds it. `waiting` is called if one does."""
    lock = target.with_name(f".{target.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        while True:
            file = open(lock, "ab")  # noqa: SIM115 (closed when the work is done)
            if not _lock(file):
                waiting()
                while not _lock(file):
                    time.sleep(0.1)
            if _is_same(file, lock):
                break
            file.close()  # the process before us deleted this file when it ended, so others see another one
    except OSError as error:
        raise cannot_write(target, error) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows refuses, and keeps an empty file
            lock.unlink()
        file.close()


@contextlib.contextmanager
def all_or_nothing(target: Path) -> Iterator[Path]:
    """An empty folder to fill, which replaces `target` if the block ends without an error. Hold `one_at_a_time`.

    Raises GlassError if the system refuses a write; `target` is then unchanged.
    """
    growing = _growing(target)
    try:
        _remove(growing)
        try:
            growing.mkdir(parents=True)
            yield growing
            _take_its_place(growing, target)
        finally:
            _remove(growing)
    except OSError as error:
        raise cannot_write(target, error) from error


@contextlib.contextmanager
def unless_interrupted(target: Path, continues: Callable[[Path], bool]) -> Iterator[Path]:
    """Like `all_or_nothing`, for long work: a kill, a power cut or Ctrl-C leaves the folder, so that work can continue.

    The folder is empty unless there is a left-over one that `continues` accepts; what that relies on must have been
    forced to disk. An error deletes the folder, which also frees the space on a full disk.
    """
    growing = _growing(target)
    try:
        if not (growing.is_dir() and continues(growing)):
            _remove(growing)
        try:
            growing.mkdir(parents=True, exist_ok=True)
            remove_unfinished(growing)
            yield growing
            _take_its_place(growing, target)
        except Exception:
            _remove(growing)
            raise
    except OSError as error:
        raise cannot_write(target, error) from error


def _growing(target: Path) -> Path:
    return target.with_name(f".{target.name}.preparing")


def _take_its_place(growing: Path, target: Path) -> None:
    replaced = target.with_name(f".{target.name}.replaced")
    for path in growing.iterdir():
        _sync(path)
    sync_folder(growing)
    _remove(replaced)
    if target.exists():
        os.rename(target, replaced)
    try:
        os.rename(growing, target)
    except OSError:
        if replaced.exists():
            os.rename(replaced, target)
        raise
    sync_folder(target.parent)
    _remove(replaced)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _is_same(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _lock(file: IO[bytes]) -> bool:
    """Lock an open file. Returns false if another process has locked it."""
    try:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        return True
    except (BlockingIOError, PermissionError):  # the latter on Windows
        return False
