"""Learning merges, compiled: `plain_learn` of `merge.py` in time that grows with the places that change.

All words lie in one row of cells, a gap between each two. A token of several bytes stands in its first cell, and the
cell of its last byte says where that is, so both neighbours are one step away. `pair` names, at each first cell, the
pair of this token and the next. Every pair knows its count and the places it has appeared at; a heap holds the pairs,
most frequent first. A merge walks its pair's places and touches nothing else.

Two facts keep this small. A pair that a merge creates contains the new symbol, so which pair that is, is found by its
other symbol in an array. And therefore a count can only fall after its merge, so what the heap claims is at worst too
high, and is corrected when it comes to the top.
"""

from typing import NamedTuple

import numpy as np

from glassformer.errors import TokenizerError
from glassformer.system.compiled import inline, kernel

NONE = np.int32(-1)


SYMBOL, FIRST, PAIR, WORD = range(4)


class Row(NamedTuple):
    """The cells; the first 256 hold the bytes themselves, so that every symbol has a place where its bytes stand.

    What a merge needs to know of a cell and its neighbours stands side by side: [SYMBOL] (NONE in gaps), [FIRST] (at a
    token's last cell, its first), [PAIR] (NONE where a token has no next one) and [WORD].
    """

    text: np.ndarray  # (n,) uint8
    cells: np.ndarray  # (n, 4) int32
    counts: np.ndarray  # int64: of each word


class Pairs(NamedTuple):
    """Number p is (left[p], right[p]); the 65,536 pairs of bytes come first. Places are linked through `Notes`."""

    left: np.ndarray  # int32
    right: np.ndarray  # int32
    count: np.ndarray  # int64
    head: np.ndarray  # int32: its first note
    tail: np.ndarray  # int32: its last
    heap: np.ndarray  # int32: pairs, the best in front
    claim: np.ndarray  # int64: the count that each pair in the heap had when it was put there


class Notes(NamedTuple):
    """`place[n]` is a cell where a pair is, and `following[n]` the note of its next one. `used[0]` notes are there."""

    place: np.ndarray  # int32
    following: np.ndarray  # int32
    used: np.ndarray  # (1,) int64


class Symbols(NamedTuple):
    """Where the bytes of each symbol stand in the row, and how many they are."""

    cell: np.ndarray  # int32
    length: np.ndarray  # int32


def learn(
    text: np.ndarray, ends: np.ndarray, counts: np.ndarray, n_merges: int, min_frequency: int = 1
) -> list[tuple[bytes, bytes]]:
    """The merges of words text[ends[n] : ends[n + 1]] that occur counts[n] times; as `plain_learn` gives them.

    Raises TokenizerError when the unique words are too many for 32-bit places.
    """
    n_cells = 257 + len(text) + len(counts)
    if 3 * n_cells >= 1 << 31:
        raise TokenizerError(
            f"the corpus has {len(text) / 1e6:.0f} MB of unique pieces, and 700 are the most: train on a sample, or "
            "with a pattern that cuts it into words"
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
        best, n_heap = _best(pairs, n_heap, row.text, symbols)
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
                _push(pairs, n_heap, created, row.text, symbols)
                n_heap += 1
    return left, right


@kernel
def _merge(row, pairs, notes, symbols, best, new, n_pairs, before, after):
    """Join `best` into `new` at all its places, from left to right; the number of pairs there are then.

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
    """The pair occurs at this cell, too, in a word that occurs n times."""
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
    """Count the pairs of bytes and put them into the heap; its size."""
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
            _push(pairs, n_heap, number, row.text, symbols)
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


@kernel
def _best(pairs, n_heap, text, symbols):
    """Take the best pair out: (pair, size of the heap then); (NONE, 0) when no two tokens are neighbours any more."""
    heap, claim = pairs.heap, pairs.claim
    while n_heap > 0:
        best = heap[0]
        is_true = claim[0] == pairs.count[best]
        if is_true or pairs.count[best] <= 0:
            n_heap -= 1
            heap[0], claim[0] = heap[n_heap], claim[n_heap]
        else:
            claim[0] = pairs.count[best]
        _sink(pairs, n_heap, text, symbols)
        if is_true:
            return best, n_heap
    return NONE, 0


@kernel
def _push(pairs, n_heap, pair, text, symbols):
    heap, claim, at = pairs.heap, pairs.claim, n_heap
    while at > 0:
        parent = (at - 1) >> 1
        if not _is_better(pairs, pair, pairs.count[pair], heap[parent], claim[parent], text, symbols):
            break
        heap[at], claim[at] = heap[parent], claim[parent]
        at = parent
    heap[at], claim[at] = pair, pairs.count[pair]


@kernel
def _sink(pairs, n_heap, text, symbols):
    """Put the heap in order again after its front has become worse."""
    heap, claim, at = pairs.heap, pairs.claim, 0
    pair, count = heap[0], claim[0]
    while True:
        child = 2 * at + 1
        if child >= n_heap:
            break
        if child + 1 < n_heap and _is_better(
            pairs, heap[child + 1], claim[child + 1], heap[child], claim[child], text, symbols
        ):
            child += 1
        if not _is_better(pairs, heap[child], claim[child], pair, count, text, symbols):
            break
        heap[at], claim[at] = heap[child], claim[child]
        at = child
    heap[at], claim[at] = pair, count


@inline
def _is_better(pairs, p, count_p, q, count_q, text, symbols):
    """More frequent, or as frequent and lexicographically greater as a pair of byte strings."""
    if count_p != count_q:
        return count_p > count_q
    order = _compare(pairs.left[p], pairs.left[q], text, symbols)
    return (order if order != 0 else _compare(pairs.right[p], pairs.right[q], text, symbols)) > 0


@inline
def _compare(s, t, text, symbols):
    """Positive if the bytes of symbol s are greater than those of t, 0 if equal, negative if smaller."""
    length_s, length_t = symbols.length[s], symbols.length[t]
    if s == t:
        return 0
    for i in range(min(length_s, length_t)):
        x, y = np.int64(text[symbols.cell[s] + i]), np.int64(text[symbols.cell[t] + i])
        if x != y:
            return x - y
    return np.int64(length_s) - np.int64(length_t)
