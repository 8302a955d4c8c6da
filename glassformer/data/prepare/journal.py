"""What a preparation has safely done, so that the next call can continue it after a `kill -9` or a power cut.

Every few seconds a line of JSON is appended, and forced to disk after the files that it describes. It says where each
file ends, so that whatever was written later can be cut off and written again. Each line has a checksum; a torn line
and all lines after it are ignored. The first line says which dataset is being prepared.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glassformer.data.index import FORMAT, checksum, damaged

EVERY = 2.0
"""At least this many seconds lie between two lines."""
NAME = "journal.jsonl"


class Journal:
    """The journal in a folder; a new one is begun if there is none. Facts are plain JSON values.

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
        """The newest facts about a stage; None if there are none yet."""
        return self._last.get(stage)

    def is_due(self) -> bool:
        """Whether it is time for another line."""
        return time.monotonic() - self._written >= EVERY

    def write(self, stage: str, **facts: Any) -> None:
        """Append a line and force it to disk. The files must already be as the line says."""
        line = {"stage": stage, "facts": facts}
        with open(self._path, "ab") as file:
            file.write(json.dumps({**line, "sha256": checksum(line)}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._last[stage] = facts
        self._written = time.monotonic()


def cut(path: Path, size: int) -> None:
    """Cut a file off after `size` bytes. Raises DatasetError if it is shorter than that."""
    if not path.is_file() or path.stat().st_size < size:
        raise damaged(f"{path} is shorter than the journal of its preparation says")
    os.truncate(path, size)


def _whole_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """(the lines up to the first torn one, the bytes that they take)."""
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
