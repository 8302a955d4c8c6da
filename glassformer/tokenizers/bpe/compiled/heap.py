"""The heap of candidate pairs in compiled learning: the most frequent pair first, ties to the greater byte strings.

A count can only fall after its pair was pushed (`learn.py` says why), so `claim`, the count that a pair had when it was
pushed, is at worst too high. It is corrected when the pair comes to the top.
"""

from typing import NamedTuple

import numpy as np

from glassformer.system.compiled import inline, kernel

NONE = np.int32(-1)


class Pairs(NamedTuple):
    """Pair number p is (left[p], right[p]); the 65,536 pairs of bytes come first. `head` and `tail` belong to notes."""

    left: np.ndarray  # int32
    right: np.ndarray  # int32
    count: np.ndarray  # int64
    head: np.ndarray  # int32: its first note
    tail: np.ndarray  # int32: its last
    heap: np.ndarray  # int32: pairs, the best in front
    claim: np.ndarray  # int64: the count that each pair in the heap had when it was put there


class Symbols(NamedTuple):
    """Where the bytes of each symbol stand in the row, and how many they are."""

    cell: np.ndarray  # int32
    length: np.ndarray  # int32


@kernel
def pop(pairs, n_heap, text, symbols):
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
def push(pairs, n_heap, pair, text, symbols):
    """Put a pair into a heap of n_heap pairs, with its present count."""
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
