"""Writes that happen wholly or not at all, and file hashes.

Everything Glassformer must not lose (checkpoints, datasets, tokenizers, a run's facts) is written to a temporary
neighbour, forced to the disk, and renamed over its final name in one step: a crash, a full disk or a `kill -9` leaves
either the old file or the new one, never half of one. Append-only logs are `runs.py`'s business.
"""

import hashlib
import itertools
import os
from pathlib import Path

from glassformer.errors import GlassError

_numbers = itertools.count()


def write_atomic(path: Path, data: str | bytes) -> None:
    """Replace `path` by `data` (text becomes UTF-8, newlines kept as they are); creates missing parent folders.

    Raises GlassError with the remedy when the system refuses (full disk, read-only folder); the old file is then intact.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_numbers)}.tmp")
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
    """Delete what a `write_atomic` into `folder` left there when it was killed; nobody may be writing there now."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> GlassError:
    """The sentence for a refused write; what was there before is still there."""
    return GlassError(
        f"{path} could not be written ({error.strerror or error}): free space there, or make the folder writable, "
        "and run the command again; what was there before is intact."
    )


def sync_folder(folder: Path) -> None:
    """Force a folder's list of names to the disk, so that a rename in it survives a power cut."""
    if os.name == "nt":  # Windows cannot open a folder, and its renames need no such step
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """The hexadecimal SHA-256 of a file's bytes, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
