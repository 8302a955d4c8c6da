"""Everything in a folder, to the bottom, in an order that never changes."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """Something met in a folder: its name relative to the folder, and why it is not read, if so."""

    name: str
    path: Path
    problem: str


HIDDEN = "is hidden"
AGAIN = "is a folder read already under another name"


def walk(root: Path) -> Iterator[Entry]:
    """Every file below `root`, sorted by name level by level; a folder that cannot be entered appears with a problem.

    Links are followed, each folder once: a loop ends, and what is linked twice is read once.
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


def printable(name: str) -> str:
    """A name that is valid UTF-8 on one line, whatever bytes the file system or an archive holds."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
