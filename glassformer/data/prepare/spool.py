"""Cleaned documents on disk, between reading them and turning them into ids.

The tokenizer must see the training text before the first id can be written, and holding out needs the number of
documents. Reading (or generating) and cleaning everything twice would cost more than writing it once. So the clean text
waits in a temporary file, and what is known about each document in others; nothing is held in memory.
"""

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from glassformer.data.prepare.journal import cut

RECORD = np.dtype(
    [("hash", "<u8"), ("bytes", "<i8"), ("characters", "<i8"), ("origin", "<i4"), ("split", "u1"), ("source", "u1")]
)
"""What is known about a document: a hash of its text, its length in bytes and in characters, the length of its origin,
and its split and source."""
CHUNK = 1 << 16  # records that are in memory at a time


class Spool:
    """Append documents, `close` it, then read some of them back in order.

    `state` is what `sync` of an earlier spool in this folder returned; whatever that spool wrote later is cut off.
    """

    def __init__(self, folder: Path, state: Mapping[str, Any] | None = None) -> None:
        parts = ("texts", "records", "origins", "signatures")
        self._paths = {part: folder / f"spool-{part}" for part in parts}
        self._sizes: dict[str, int] = dict(state) if state else dict.fromkeys(parts, 0)
        for part, path in self._paths.items():
            path.touch()
            cut(path, self._sizes[part])
        self._files = {part: open(path, "ab", buffering=1 << 20) for part, path in self._paths.items()}  # noqa: SIM115

    def append(self, texts: bytes, records: np.ndarray, origins: bytes, signatures: bytes) -> None:
        """Add documents: their texts, RECORDs, origins and signatures ((n, 128) uint32, or nothing), joined."""
        for part, data in zip(self._files, (texts, records.tobytes(), origins, signatures)):
            self._files[part].write(data)
            self._sizes[part] += len(data)

    def sync(self) -> dict[str, int]:
        """Force everything to disk. Returns what another spool needs to continue, as plain values."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        return dict(self._sizes)

    def close(self) -> None:
        """Close the files: no more documents will be added."""
        for file in self._files.values():
            file.close()

    def __len__(self) -> int:
        return self._sizes["records"] // RECORD.itemsize

    @property
    def n_bytes(self) -> int:
        """UTF-8 bytes of all texts."""
        return self._sizes["texts"]

    def records(self) -> Iterator[tuple[int, np.ndarray]]:
        """(number of the first document, RECORDs) for all documents, CHUNK at a time."""
        with open(self._paths["records"], "rb") as file:
            for start in range(0, len(self), CHUNK):
                yield start, np.fromfile(file, RECORD, CHUNK)

    def texts(self, chosen: np.ndarray, start: int = 0) -> Iterator[tuple[int, str, int]]:
        """(number, text, source) of the documents from number `start` on for which `chosen` (n,) is true, in order."""
        with open(self._paths["texts"], "rb", buffering=1 << 20) as file:
            skip = 0
            for first, records in self.records():
                begin = min(max(0, start - first), len(records))
                skip += int(records["bytes"][:begin].sum())
                numbers = range(first + begin, first + len(records))
                wanted, sizes = chosen[first + begin : first + len(records)].tolist(), records["bytes"][begin:].tolist()
                for number, is_wanted, size, source in zip(numbers, wanted, sizes, records["source"][begin:].tolist()):
                    if is_wanted:
                        file.seek(skip, os.SEEK_CUR)
                        skip = 0
                        yield number, file.read(size).decode(), source
                    else:
                        skip += size

    def text(self, number: int) -> str:
        """The text of one document. The first call reads all lengths."""
        with open(self._paths["texts"], "rb") as file:
            return _read(file, self._starts[number], self._starts[number + 1] - self._starts[number])

    @functools.cached_property
    def _starts(self) -> np.ndarray:
        """(n + 1,) int64: where each text starts, and where the last one ends."""
        starts = np.zeros(len(self) + 1, np.int64)
        for first, records in self.records():
            starts[first + 1 : first + 1 + len(records)] = records["bytes"]
        return np.cumsum(starts, out=starts)

    def look_up(self, numbers: Sequence[int]) -> dict[int, tuple[str, str]]:
        """(origin, text) of a few documents, by number."""
        found, offsets = {}, {"origin": 0, "bytes": 0}
        with open(self._paths["origins"], "rb") as origins, open(self._paths["texts"], "rb") as texts:
            for first, records in self.records():
                here = [number for number in numbers if first <= number < first + len(records)]
                for number in here:
                    before, record = records[: number - first], records[number - first]
                    found[number] = (
                        _read(origins, offsets["origin"] + before["origin"].sum(), record["origin"]),
                        _read(texts, offsets["bytes"] + before["bytes"].sum(), record["bytes"]),
                    )
                for length in offsets:
                    offsets[length] += int(records[length].sum())
        return found

    def signatures(self) -> np.ndarray:
        """(n, 128) uint32, memory-mapped, if signatures were appended."""
        return np.memmap(self._paths["signatures"], np.uint32, mode="r").reshape(len(self), -1)


def utf8_size(text: str) -> int:
    """How many bytes a text has in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def _read(file: IO[bytes], offset: int, size: int) -> str:
    file.seek(int(offset))
    return file.read(int(size)).decode()
