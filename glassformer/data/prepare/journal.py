"""What a preparation has safely done, so that the next one continues it after a `kill -9` or a power cut.

One line of JSON for every few seconds of work, appended and forced to the disk after the files it speaks of. A line
says where each file ends, so whatever was written later is cut off and written again, the same. Lines carry a checksum:
one that is torn, and all after it, are as good as not written. The first line names what is being prepared.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glassformer.data.index import FORMAT, checksum, damaged

EVERY = 2.0
"""Seconds between two lines."""
NAME = "journal.jsonl"


class Journal:
    """The journal in a folder, which is begun if it is not there. Facts are plain JSON values.

    >>> Journal(folder, key).write("reading", consumed=4711)
    >>> Journal(folder, key).last("reading")["consumed"]
    4711
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / NAME
        self._last: dict[str, Mapping[str, Any]] = {}
        self._written = time.monotonic()
        lines, size = _whole_lines(self._path)
        if not lines:
            self._path.unlink(missing_ok=True)
            return self.write("beginning", format=FORMAT, key=key)
        cut(self._path, size)
        for line in lines:
            self._last[line["stage"]] = line["facts"]

    @staticmethod
    def continues(folder: Path, key: str) -> bool:
        """Whether the folder holds the journal of an interrupted preparation of the same dataset."""
        lines, _ = _whole_lines(folder / NAME)
        return bool(lines) and lines[0] == {"stage": "beginning", "facts": {"format": FORMAT, "key": key}}

    def last(self, stage: str) -> Mapping[str, Any] | None:
        """The newest facts about a stage; None if it has none yet."""
        return self._last.get(stage)

    def is_due(self) -> bool:
        """Whether the last line was written long enough ago."""
        return time.monotonic() - self._written >= EVERY

    def write(self, stage: str, **facts: Any) -> None:
        """Append a line and force it to the disk; the files must already be as it says."""
        line = {"stage": stage, "facts": facts}
        with open(self._path, "ab") as file:
            file.write(json.dumps({**line, "sha256": checksum(line)}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._last[stage] = facts
        self._written = time.monotonic()

    def close(self) -> None:
        """The work is done: the journal goes."""
        self._path.unlink()


def cut(path: Path, size: int) -> None:
    """Cut a file off at `size` bytes. Raises DatasetError if it is shorter: not what the journal was written about."""
    if not path.is_file() or path.stat().st_size < size:
        raise damaged(f"{path} is not as its journal says")
    os.truncate(path, size)


def _whole_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The lines up to the first torn one, and the bytes they take."""
    lines, size = [], 0
    try:
        with open(path, "rb") as file:
            for data in file:
                line = json.loads(data)
                if line.pop("sha256") != checksum(line) or not data.endswith(b"\n"):
                    break
                lines.append(line)
                size += len(data)
    except (OSError, ValueError, RecursionError, AttributeError, KeyError, TypeError):
        pass
    return lines, size
