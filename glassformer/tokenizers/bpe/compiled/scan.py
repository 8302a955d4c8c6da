"""Cutting UTF-8 text into pieces by an automaton (`automaton.py`), compiled; and hash keys of the pieces.

`piece_end` is `Automaton.longest` on bytes. The text must be valid UTF-8, as `str.encode` makes it.
"""

from typing import NamedTuple

import numpy as np

from glassformer.system.compiled import kernel
from glassformer.tokenizers.bpe.automaton import Automaton

SHORT = 7
"""Bytes up to which a piece's key is the piece itself, so that equal keys need no second look."""


class Scanner(NamedTuple):
    """An Automaton in the form that kernels take."""

    class_of: np.ndarray
    cells: np.ndarray
    n_classes: int


def scanner(found: Automaton) -> Scanner:
    """The automaton in the form that kernels take."""
    return Scanner(found.class_of, found.cells, found.n_classes)


@kernel
def piece_end(text, start, end, scan):
    """Where the piece ends that begins at `start` in a document that ends at `end`; offsets in bytes."""
    class_of, cells = scan.class_of, scan.cells
    state = scan.n_classes + 1
    found = i = start
    while i < end:
        first = np.int64(text[i])
        after = i + 1
        if first >= 0x80:  # the first byte of a character tells how many follow: 110xxxxx, 1110xxxx or 11110xxx
            if first < 0xE0:
                first = (first & 0x1F) << 6 | text[i + 1] & 0x3F
                after = i + 2
            elif first < 0xF0:
                first = (first & 0x0F) << 12 | np.int64(text[i + 1] & 0x3F) << 6 | text[i + 2] & 0x3F
                after = i + 3
            else:
                low = np.int64(text[i + 2] & 0x3F) << 6 | text[i + 3] & 0x3F
                first = (first & 0x07) << 18 | np.int64(text[i + 1] & 0x3F) << 12 | low
                after = i + 4
        cell = cells[state + np.int64(class_of[first])]
        if cell & 1:
            found = i
        state = np.int64(cell >> 1)
        if state == 0:
            return found
        i = after
    return end if cells[state + scan.n_classes] & 1 else found


@kernel
def piece_key(text, start, end):
    """A hash key, never 0: up to SHORT bytes are the key themselves (positive), more are hashed (negative)."""
    key = np.int64(0)
    if end - start <= SHORT:
        for i in range(start, end):
            key = key << 8 | np.int64(text[i])
        return (end - start) << 56 | key
    for i in range(start, end):
        key = (key ^ np.int64(text[i])) * 0x100000001B3
    return key ^ key >> 29 | np.int64(-1 << 63)


@kernel
def first_slot(key, mask):
    """Where to begin looking for a key in a table of mask + 1 slots (a power of two)."""
    return (key * np.int64(-7046029254386353131)) >> 32 & mask
