"""Atomic writes (a file is replaced completely or not at all), and hashes of files.

Everything that must not be lost (checkpoints, datasets, tokenizers, the facts of a run) is written to a temporary file
beside its place, forced to disk, and then renamed in one step. A crash, a full disk or a `kill -9` leaves either the
old file or the new one, never half of a file. Logs, which are only appended to, are written by `runs/run.py`.
"""

import hashlib
import itertools
import os
from pathlib import Path

from glassformer.errors import DiskError, remedy

_numbers = itertools.count()


def write_atomic(path: Path, data: str | bytes) -> None:
    """Replace the file `path` by `data` (text is written as UTF-8, its line ends unchanged). Creates missing folders.

    Raises DiskError if the system refuses (full disk, read-only folder). The old file is then still there.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}-{next(_numbers)}.tmp")  # however long the name of the file is
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def remove_unfinished(folder: Path) -> None:
    """Delete temporary files that a killed `write_atomic` left in `folder`. No other process may be writing there."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> DiskError:
    """The error for a write that the system refused."""
    return DiskError(f"{path} could not be written ({error.strerror or error})", remedy(error))


def sync_folder(folder: Path) -> None:
    """Force the list of names in a folder to disk, so that a rename survives a power cut."""
    if os.name == "nt":  # Windows cannot open a folder, and needs no such step
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal. The file is read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
