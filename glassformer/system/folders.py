"""A folder that appears whole or not at all, and by one process at a time.

`files.write_atomic` does this for one file. A dataset is several large ones: they are written in a hidden neighbour of
the target, forced to the disk, and the neighbour is renamed. A crash leaves only the neighbour, which the next attempt
deletes, or continues if the neighbour is of the same work; a lock that the system releases when its holder dies tells
the dead attempt from a living one.
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
    """Wait until no other process works on `target`, then hold it; `waiting` is called if there is one."""
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
            file.close()  # the holder before us deleted it as he left: this is not the file others see
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
    """An empty folder to fill; it takes `target`'s name (and place) if the block ends well. Hold `one_at_a_time`.

    Raises GlassError with the remedy when the system refuses a write; `target` is then as it was.
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
    """As `all_or_nothing`, for work that takes long: a kill, a power cut or Ctrl-C leaves the folder to go on with.

    It is empty unless there is one that `continues` recognises. An error removes it, and so gives a full disk its
    room back. What is in it must be on the disk when the folder is to be recognised.
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
    """Lock an open file, if no other process has it locked."""
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
