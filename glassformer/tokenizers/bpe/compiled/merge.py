"""Applying merges to one piece, compiled: what `plain_encode` defines, once for short pieces and once for long ones.

A short piece searches all its pairs for the one learnt first, again and again. That is quadratic, so a long piece keeps
a list of places for each merge and takes the merges in the order learnt: every place is visited a bounded number of
times.
"""

import heapq
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from glassformer.system.compiled import kernel
from glassformer.tokenizers.bpe.compiled.scan import first_slot
from glassformer.tokenizers.bpe.merges import Pair

NEVER = np.int64(1 << 20)  # the symbol of a pair that is never merged: greater than all others


class Vocabulary(NamedTuple):
    """The merges as an open-addressing hash table: left << 40 | right << 20 | result; 0 in an empty slot."""

    merges: np.ndarray  # (power of two,) int64
    of_bytes: np.ndarray  # (65536,) int64: what each pair of bytes is merged into, or NEVER
    ids: np.ndarray  # (n_symbols,) uint32


def vocabulary(symbol_of: Mapping[Pair, int], ids: np.ndarray) -> Vocabulary:
    """The tables for these merges; `ids[symbol]` is the id of each symbol."""
    merges = np.array([(*pair, symbol) for pair, symbol in symbol_of.items()], np.int64).reshape(-1, 3)
    table = np.zeros(1 << (2 * len(merges) + 2).bit_length(), np.int64)
    _fill(table, merges)
    of_bytes = np.full(1 << 16, NEVER)
    first = merges[(merges[:, :2] < 256).all(axis=1)]
    of_bytes[first[:, 0] << 8 | first[:, 1]] = first[:, 2]
    return Vocabulary(table, of_bytes, ids.astype(np.uint32))


@kernel
def _fill(table, merges):
    mask = len(table) - 1
    for i in range(len(merges)):
        pair = merges[i, 0] << 20 | merges[i, 1]
        slot = first_slot(pair, mask)
        while table[slot] != 0:
            slot = slot + 1 & mask
        table[slot] = pair << 20 | merges[i, 2]


@kernel
def _merged(merges, left, right):
    """The symbol that a pair is merged into, or NEVER."""
    pair, mask = np.int64(left) << 20 | np.int64(right), len(merges) - 1
    slot = first_slot(pair, mask)
    while merges[slot] != 0:
        if merges[slot] >> 20 == pair:
            return merges[slot] & 0xFFFFF
        slot = slot + 1 & mask
    return NEVER


@kernel
def merge_short(text, start, n, merges, of_bytes, parts, results):
    """Write the symbols of the piece text[start : start + n] to `parts` and return how many there are."""
    for i in range(n):
        parts[i] = text[start + i]
    for i in range(n - 1):
        results[i] = of_bytes[parts[i] << 8 | parts[i + 1]]
    while n > 1:
        at, best = 0, results[0]
        for i in range(1, n - 1):
            if results[i] < best:
                at, best = i, results[i]
        if best == NEVER:
            break
        parts[at] = best
        n -= 1
        for i in range(at + 1, n):
            parts[i], results[i - 1] = parts[i + 1], results[i]
        if at > 0:
            results[at - 1] = _merged(merges, parts[at - 1], best)
        if at < n - 1:
            results[at] = _merged(merges, best, parts[at + 1])
    return n


@kernel
def merge_long(text, start, stop, vocabulary, out, n):
    """Write the ids of the piece text[start:stop] to out[n:] and return where they end. Time is linear in the piece.

    A note says that the pair at some place becomes symbol s; `head[s]` and `tail[s]` are the first and last note of s.
    A merge only makes notes of later merges, so when the turn of s comes, its places are complete and in order from
    left to right.
    """
    merges, length = vocabulary.merges, stop - start
    parts, results = np.empty(length, np.int64), np.full(length, NEVER, np.int64)
    left, right = np.arange(-1, length - 1), np.arange(1, length + 1)
    place, following = np.empty(3 * length, np.int64), np.full(3 * length, -1, np.int64)
    head, tail = np.full(len(vocabulary.ids), -1, np.int64), np.empty(len(vocabulary.ids), np.int64)
    turns = [NEVER]  # a heap of the symbols that have notes
    n_notes = 0
    for i in range(length):
        parts[i] = text[start + i]
    for i in range(length - 1):
        results[i] = vocabulary.of_bytes[parts[i] << 8 | parts[i + 1]]
        n_notes = _note(results[i], i, place, following, head, tail, turns, n_notes)
    while turns[0] != NEVER:
        symbol = heapq.heappop(turns)
        note = head[symbol]
        while note >= 0:
            i, note = place[note], following[note]
            if results[i] != symbol:
                continue
            j = right[i]
            h, k = left[i], right[j]
            parts[i], parts[j], results[i], results[j], right[i] = symbol, -1, NEVER, NEVER, k
            if k < length:
                left[k] = i
                results[i] = _merged(merges, symbol, parts[k])
                n_notes = _note(results[i], i, place, following, head, tail, turns, n_notes)
            if h >= 0:
                results[h] = _merged(merges, parts[h], symbol)
                n_notes = _note(results[h], h, place, following, head, tail, turns, n_notes)
    for i in range(length):
        if parts[i] >= 0:
            out[n] = vocabulary.ids[parts[i]]
            n += 1
    return n


@kernel
def _note(symbol, i, place, following, head, tail, turns, n_notes):
    """Note that the pair at place i becomes `symbol`; returns the number of notes then."""
    if symbol == NEVER:
        return n_notes
    place[n_notes] = i
    if head[symbol] < 0:
        head[symbol] = n_notes
        heapq.heappush(turns, symbol)
    else:
        following[tail[symbol]] = n_notes
    tail[symbol] = n_notes
    return n_notes + 1
