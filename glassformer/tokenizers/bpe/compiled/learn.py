"""Learning merges, compiled: what `plain_learn` defines, in time that grows with the places that change.

All words lie one after another in a row of cells, with a gap between each two. A token of several bytes stands in its
first cell, and the cell of its last byte says where that is, so both neighbours are one step away. PAIR names, at each
first cell, the pair of this token and the next. Every pair knows its count and has a linked list of *notes*, the places
where it has appeared. A merge walks its pair's notes and touches nothing else; `heap.py` finds the next pair.

A pair that a merge creates contains the new symbol, so an array indexed by the other symbol finds it. For the same
reason the count of a pair can only fall once the merge that created it is done, which keeps the heap simple.
"""

from typing import NamedTuple

import numpy as np

from glassformer.errors import TokenizerError
from glassformer.system.compiled import inline, kernel
from glassformer.tokenizers.bpe.compiled.heap import NONE, Pairs, Symbols, pop, push

SYMBOL, FIRST, PAIR, WORD = range(4)


class Row(NamedTuple):
    """The cells; the first 256 hold the bytes themselves, so that every symbol has a place where its bytes stand.

    What a merge needs to know of a cell lies side by side in memory: [SYMBOL] (NONE in gaps), [FIRST] (at a token's
    last cell, its first cell), [PAIR] (NONE where no token follows) and [WORD].
    """

    text: np.ndarray  # (n,) uint8
    cells: np.ndarray  # (n, 4) int32
    counts: np.ndarray  # int64: of each word


class Notes(NamedTuple):
    """Note n: the pair stands at cell `place[n]`, and `following[n]` is its next note. `used[0]` counts the notes."""

    place: np.ndarray  # int32
    following: np.ndarray  # int32
    used: np.ndarray  # (1,) int64


def learn(
    text: np.ndarray, ends: np.ndarray, counts: np.ndarray, n_merges: int, min_frequency: int = 1
) -> list[tuple[bytes, bytes]]:
    """The merges that `plain_learn` gives for the words text[ends[n] : ends[n + 1]], of which each occurs counts[n] times.

    Raises TokenizerError when the unique words are too many for 32-bit places.
    """
    n_cells = 257 + len(text) + len(counts)
    if 3 * n_cells >= 1 << 31:
        raise TokenizerError(
            f"the corpus has {len(text) / 1e6:.0f} MB of unique pieces, and training takes at most 700 MB: train on "
            "a sample, or with a pattern that cuts the text into words"
        )
    row = _lay_out(text, ends, counts, n_cells)
    data = row.text.tobytes()
    left, right = (
        [data[cell : cell + length] for cell, length in half.tolist()]
        for half in _learn(row, n_merges, min_frequency)
    )
    return list(zip(left, right))


@kernel
def _lay_out(text, ends, counts, n_cells):
    row = Row(np.zeros(n_cells, np.uint8), np.full((n_cells, 4), NONE, np.int32), counts)
    row.text[:256] = np.arange(256)
    row.cells[:, FIRST] = np.arange(n_cells)
    at = 257
    for word in range(len(counts)):
        for i in range(ends[word], ends[word + 1]):
            row.text[at] = row.cells[at, SYMBOL] = text[i]
            row.cells[at, WORD] = word
            if i + 1 < ends[word + 1]:
                row.cells[at, PAIR] = np.int32(text[i]) << 8 | np.int32(text[i + 1])
            at += 1
        at += 1
    return row


@kernel
def _learn(row, n_merges, min_frequency):
    """For each merge the (first cell, length) of its left token, and of its right."""
    symbols = Symbols(np.arange(256 + n_merges).astype(np.int32), np.ones(256 + n_merges, np.int32))
    pairs = _grown(_no_pairs(), 1 << 17)
    most = 3 * len(row.text)
    notes = Notes(np.empty(most, np.int32), np.empty(most, np.int32), np.zeros(1, np.int64))
    n_heap, n_pairs = _first_pairs(row, pairs, notes, symbols), 1 << 16
    before, after = np.full(256 + n_merges, NONE, np.int32), np.full(256 + n_merges, NONE, np.int32)
    left, right = np.empty((n_merges, 2), np.int32), np.empty((n_merges, 2), np.int32)
    for merge in range(n_merges):
        new = 256 + merge
        best, n_heap = pop(pairs, n_heap, row.text, symbols)
        if best == NONE or pairs.count[best] < min_frequency:
            return left[:merge], right[:merge]
        a, b = pairs.left[best], pairs.right[best]
        left[merge, 0], left[merge, 1] = symbols.cell[a], symbols.length[a]
        right[merge, 0], right[merge, 1] = symbols.cell[b], symbols.length[b]
        symbols.length[new] = symbols.length[a] + symbols.length[b]
        if n_pairs + 2 * new > len(pairs.left):
            pairs = _grown(pairs, 2 * (n_pairs + 2 * new))
        first = n_pairs
        n_pairs = _merge(row, pairs, notes, symbols, best, new, n_pairs, before, after)
        for created in range(first, n_pairs):
            before[pairs.left[created]] = after[pairs.right[created]] = NONE
            if pairs.count[created] > 0:
                push(pairs, n_heap, created, row.text, symbols)
                n_heap += 1
    return left, right


@kernel
def _merge(row, pairs, notes, symbols, best, new, n_pairs, before, after):
    """Join `best` into `new` at all its places, from left to right; returns the number of pairs there are then.

    `before[x]` is the pair (x, new) and `after[y]` the pair (new, y), once they exist.
    """
    _, cells, counts = row
    _, _, count, head, tail, _, _ = pairs
    place, following, used = notes
    length_left, length_right = symbols.length[pairs.left[best]], symbols.length[pairs.right[best]]
    note = head[best]
    while note != NONE:
        i, note = place[note], following[note]
        if cells[i, PAIR] != best:
            continue  # an earlier merge has taken one of the two
        j = i + length_left
        k = j + length_right  # the token after them, or the gap
        h = cells[i - 1, FIRST]  # the token before them, or the gap
        n, x, y = counts[cells[i, WORD]], cells[h, SYMBOL], cells[k, SYMBOL]
        symbols.cell[new] = i
        cells[i, SYMBOL], cells[k - 1, FIRST] = new, i
        if x != NONE:
            count[cells[h, PAIR]] -= n
            if before[x] == NONE:
                before[x] = _create(pairs, n_pairs, x, new)
                n_pairs += 1
            cells[h, PAIR] = before[x]
            _note(count, head, tail, place, following, used, before[x], h, n)
        cells[i, PAIR] = NONE
        if y != NONE:
            count[cells[j, PAIR]] -= n
            if after[y] == NONE:
                after[y] = _create(pairs, n_pairs, new, y)
                n_pairs += 1
            cells[i, PAIR] = after[y]
            _note(count, head, tail, place, following, used, after[y], i, n)
        cells[j, PAIR] = NONE
    count[best] = 0
    return n_pairs


@inline
def _create(pairs, number, left, right):
    pairs.left[number], pairs.right[number] = left, right
    pairs.count[number], pairs.head[number] = 0, NONE
    return number


@inline
def _note(count, head, tail, place, following, used, pair, at, n):
    """Note that the pair also stands at this cell, in a word that occurs n times."""
    number = used[0]
    used[0] = number + 1
    place[number], following[number] = at, NONE
    if head[pair] == NONE:
        head[pair] = number
    else:
        following[tail[pair]] = number
    tail[pair] = number
    count[pair] += n


@kernel
def _first_pairs(row, pairs, notes, symbols):
    """Count the pairs of bytes and put them into the heap; returns the size of the heap."""
    for number in range(1 << 16):
        _create(pairs, number, number >> 8, number & 255)
    count, head, tail = pairs.count, pairs.head, pairs.tail
    place, following, used = notes.place, notes.following, notes.used
    for at in range(257, len(row.text)):
        pair = row.cells[at, PAIR]
        if pair != NONE:
            _note(count, head, tail, place, following, used, pair, at, row.counts[row.cells[at, WORD]])
    n_heap = 0
    for number in range(1 << 16):
        if pairs.count[number] > 0:
            push(pairs, n_heap, number, row.text, symbols)
            n_heap += 1
    return n_heap


@kernel
def _no_pairs():
    some = np.empty(0, np.int32)
    return Pairs(some, some, np.empty(0, np.int64), some, some, some, np.empty(0, np.int64))


@kernel
def _grown(pairs, size):
    left, right, head = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32)
    tail, heap = np.empty(size, np.int32), np.empty(size, np.int32)
    count, claim = np.empty(size, np.int64), np.empty(size, np.int64)
    n = len(pairs.left)
    left[:n], right[:n], head[:n], tail[:n], heap[:n] = pairs.left, pairs.right, pairs.head, pairs.tail, pairs.heap
    count[:n], claim[:n] = pairs.count, pairs.claim
    return Pairs(left, right, count, head, tail, heap, claim)
