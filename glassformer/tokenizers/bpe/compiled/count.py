"""Counting how often each piece occurs in texts, compiled: one hash table over bytes.

Memory grows with the unique pieces only; the texts are not kept.
"""

from collections.abc import Iterable

import numpy as np

from glassformer.system.compiled import kernel
from glassformer.tokenizers.bpe.automaton import Automaton
from glassformer.tokenizers.bpe.compiled.scan import SHORT, first_slot, piece_end, piece_key, scanner


class PieceCounts:
    """The unique pieces of all documents passed to `add`, with their counts."""

    def __init__(self, found: Automaton) -> None:
        self._scan = scanner(found)
        self._slots = np.full(1 << 16, -1, np.int32)  # -> piece number
        self._keys = np.empty(1 << 15, np.int64)
        self._ends = np.zeros(1 + (1 << 15), np.int64)  # piece n lies from _ends[n] to _ends[n + 1]
        self._counts = np.empty(1 << 15, np.int64)
        self._text = np.empty(1 << 20, np.uint8)
        self._n = 0

    def add(self, documents: Iterable[bytes]) -> None:
        """Count the pieces of documents of valid UTF-8, each cut by itself."""
        documents = list(documents)
        data = np.frombuffer(b"".join(documents), np.uint8)
        start = 0
        for end in np.cumsum([len(document) for document in documents], dtype=np.int64).tolist():
            while start < end:
                start, self._n, wanted = _count(
                    data, start, end, self._scan, self._slots, self._keys, self._ends, self._counts, self._text, self._n
                )
                if start < end:
                    self._grow(int(self._ends[self._n]) + wanted)

    def _grow(self, n_bytes: int) -> None:
        if n_bytes > len(self._text):
            self._text = np.resize(self._text, max(2 * len(self._text), n_bytes))
        if self._n == len(self._keys):
            self._keys, self._counts = (np.resize(array, 2 * self._n) for array in (self._keys, self._counts))
            self._ends = np.resize(self._ends, 2 * self._n + 1)
            self._slots = np.full(2 * len(self._slots), -1, np.int32)
            _fill(self._slots, self._keys[: self._n])

    def result(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(text, ends, counts): piece n is text[ends[n] : ends[n + 1]] and occurred counts[n] times."""
        ends = self._ends[: self._n + 1]
        return self._text[: ends[-1]], ends, self._counts[: self._n]


@kernel
def _count(data, start, end, scan, slots, keys, ends, counts, text, n):
    """(where it stopped, the number of unique pieces, bytes wanted): stops at `end`, or before a piece without room."""
    mask = len(slots) - 1
    while start < end:
        stop = piece_end(data, start, end, scan)
        key = piece_key(data, start, stop)
        slot = first_slot(key, mask)
        while True:
            piece = slots[slot]
            if piece < 0:
                at = ends[n]
                if n == len(keys) or at + stop - start > len(text):
                    return start, n, stop - start
                slots[slot], keys[n], counts[n] = n, key, 1
                text[at : at + stop - start] = data[start:stop]
                n += 1
                ends[n] = at + stop - start
                break
            if keys[piece] == key and (stop - start <= SHORT or _is_same(data, start, stop, text, ends, piece)):
                counts[piece] += 1
                break
            slot = slot + 1 & mask
        start = stop
    return start, n, 0


@kernel
def _is_same(data, start, stop, text, ends, piece):
    """Whether data[start:stop] is this unique piece."""
    at = ends[piece]
    if ends[piece + 1] - at != stop - start:
        return False
    i = 0
    while i < stop - start and data[start + i] == text[at + i]:
        i += 1
    return i == stop - start


@kernel
def _fill(slots, keys):
    """Put all pieces into an empty table."""
    mask = len(slots) - 1
    for piece in range(len(keys)):
        slot = first_slot(keys[piece], mask)
        while slots[slot] >= 0:
            slot = slot + 1 & mask
        slots[slot] = piece
