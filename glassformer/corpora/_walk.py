"""Every file in a folder and the folders below it, always in the same order, and what tells two files apart."""

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from glassformer.system.files import sha256


class Entry(NamedTuple):
    """Something found in a folder: its name relative to the folder and, if it is not to be read, the reason."""

    name: str
    path: Path
    problem: str


HIDDEN = "is hidden"
AGAIN = "is a folder read already under another name"
SETTLED = 2.0
"""Seconds after which a second change of a file cannot have the same time as the first."""
_hashes: dict[tuple, str] = {}


def walk(root: Path) -> Iterator[Entry]:
    """Every file below `root`, each folder's entries sorted by name. A folder that cannot be entered is an entry with a
    problem.

    Links are followed, but each folder is read only once, so a loop of links ends.
    """
    visited = set()
    stack = [Entry("", root, "")]
    while stack:
        entry = stack.pop()
        try:
            if not entry.path.is_dir():
                yield entry
                continue
            status = os.stat(entry.path)
            if (status.st_dev, status.st_ino) in visited:
                yield entry._replace(problem=AGAIN)
                continue
            visited.add((status.st_dev, status.st_ino))
            names = sorted(os.listdir(entry.path), reverse=True)
        except OSError as error:
            yield entry._replace(problem=f"cannot be entered ({error.strerror or error})")
            continue
        prefix = f"{entry.name}/" if entry.name else ""
        for name in names:
            if name.startswith("."):
                yield Entry(prefix + name, entry.path / name, HIDDEN)
            else:
                stack.append(Entry(prefix + name, entry.path / name, ""))


def content(path: Path) -> str:
    """The SHA-256 of a file's bytes. What is not a file, or cannot be read, has the reason for a hash.

    Each process reads a file once, and again after every change: the system sets the time of the last change of a file's
    status itself, so a copy or `touch` cannot restore it as it can the time of the last writing. Windows keeps no such
    time; there the file is read at every call.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return "is not a regular file"
        state = (str(path), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if state in _hashes:
            return _hashes[state]
        found = sha256(path)
    except OSError:
        return "cannot be read"
    if os.name != "nt" and time.time() - status.st_ctime > SETTLED:
        _hashes[state] = found
    return found


def printable(name: str) -> str:
    """The name of a file as valid UTF-8 on one line, whatever bytes the file system or the archive holds."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
