"""A folder that appears whole or not at all, and by one process at a time.

`files.write_atomic` does this for one file. A dataset is several large ones: they are written in a hidden neighbour of
the target, forced to the disk, and the neighbour is renamed. A crash leaves only the neighbour, which the next attempt
deletes; a lock that the system releases when its holder dies tells the dead attempt from a living one.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from glassformer.files import cannot_write, sync_folder


@contextlib.contextmanager
def one_at_a_time(target: Path) -> Iterator[None]:
    """Wait until no other process works on `target`, then hold it."""
    lock = target.with_name(f".{target.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        while True:
            file = open(lock, "ab")  # noqa: SIM115 (closed when the work is done)
            _wait_for(file)
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
    growing = target.with_name(f".{target.name}.preparing")
    replaced = target.with_name(f".{target.name}.replaced")
    try:
        for leftover in (growing, replaced):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            growing.mkdir(parents=True)
            yield growing
            for path in growing.iterdir():
                _sync(path)
            sync_folder(growing)
            if target.exists():
                os.rename(target, replaced)
            os.rename(growing, target)
            sync_folder(target.parent)
        finally:
            for leftover in (growing, replaced):
                shutil.rmtree(leftover, ignore_errors=True)
    except OSError as error:
        raise cannot_write(target, error) from error


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _is_same(file: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _wait_for(file: IO[bytes]) -> None:
    """Lock an open file, waiting as long as another process has it locked."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        while True:
            try:
                return msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
            except OSError:
                time.sleep(0.2)
    fcntl.flock(file, fcntl.LOCK_EX)
