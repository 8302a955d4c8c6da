"""A folder that appears complete or not at all.

`files.write_atomic` does this for one file. A dataset consists of several large files. They are written to a hidden
folder beside the target and forced to disk, and then the folder is renamed. A crash leaves only the hidden folder,
which the next attempt continues if it is the same work, and deletes otherwise. Two processes must not make the same
folder at once: hold its lock (`lock.py`).
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from glassformer.system.files import cannot_write, remove_unfinished, sync_folder


@contextlib.contextmanager
def all_or_nothing(target: Path) -> Iterator[Path]:
    """An empty folder to fill, which replaces `target` if the block ends without an error. Hold its lock.

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


def remove(folder: Path) -> None:
    """Delete a folder. It leaves its place in one step, so a kill leaves at most a hidden rest of it. One that the system
    holds stays."""
    leaving = folder.with_name(f".{folder.name}.deleting")
    _remove(leaving)
    with contextlib.suppress(OSError):
        os.rename(folder, leaving)
        _remove(leaving)


def _growing(target: Path) -> Path:
    return target.with_name(f".{target.name}.preparing")


def _take_its_place(growing: Path, target: Path) -> None:
    replaced = target.with_name(f".{target.name}.replaced")
    for path in sorted(growing.rglob("*"), reverse=True):  # what is in a folder before the folder
        sync_folder(path) if path.is_dir() else _sync(path)
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
