"""Cleaned documents on disk, between reading them and turning them into ids.

The tokenizer needs a look at the training text before the first id can be written, and holding out needs the number of
documents. Reading (or generating) and cleaning everything twice would cost more than one sequential write, so the clean
text waits in one temporary file; in memory stay 25 bytes a document.
"""

import hashlib
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np


class Spool:
    """Append documents, `finish`, then read some of them back in order."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open(path, "wb", buffering=1 << 20)  # noqa: SIM115 (closed by `finish`)
        self._hashes, self._sizes, self._characters, self._splits = array("Q"), array("q"), array("q"), bytearray()

    def append(self, text: str, split: int) -> int:
        """Add one document, with a small number to remember; its size in UTF-8 bytes."""
        data = text.encode()
        self._file.write(data)
        self._hashes.append(int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big"))
        self._sizes.append(len(data))
        self._characters.append(len(text))
        self._splits.append(split)
        return len(data)

    def finish(self) -> None:
        """No more documents come."""
        self._file.close()
        self.hashes = np.frombuffer(self._hashes, np.uint64)
        """Of each text: equal texts have equal hashes."""
        self.sizes = np.frombuffer(self._sizes, np.int64)
        self.characters = np.frombuffer(self._characters, np.int64)
        self.splits = np.frombuffer(self._splits, np.uint8)

    def __len__(self) -> int:
        return len(self._sizes)

    def first_of_equals(self) -> np.ndarray:
        """(n,) bool: false for documents whose exact text came before."""
        first = np.zeros(len(self), bool)
        first[np.unique(self.hashes, return_index=True)[1]] = True
        return first

    def texts(self, chosen: np.ndarray) -> Iterator[str]:
        """The documents where `chosen` is true, in order."""
        with open(self._path, "rb", buffering=1 << 20) as file:
            skip = 0
            for size, wanted in zip(self._sizes, chosen.tolist()):
                if wanted:
                    file.seek(skip, 1)
                    skip = 0
                    yield file.read(size).decode()
                else:
                    skip += size
