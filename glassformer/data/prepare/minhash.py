"""Compiled kernels of `duplicates`: hash the shingles of a document, keep their minima, search buckets for similar
ones."""

import numpy as np

from glassformer.system.compiled import inline, kernel

LETTER, ALONE = 1, 2  # kinds of characters: part of a word, a word by itself; all others separate words
WIDTH = 5  # words in a shingle
EMPTY = np.uint64(0xCBF29CE484222325)  # a word's hash before its first character (FNV-1a: Fowler, Noll, Vo 1991)
PRIME = np.uint64(0x100000001B3)
FACTOR = np.uint64(0x9E3779B97F4A7C15)
MIX = np.uint64(0xFF51AFD7ED558CCD)
SHIFT = np.uint64(33)
MOST_LEADERS = 256


@inline
def finished(value):
    """Mix the bits, so that each depends on every bit of `value` (like the end of Appleby's MurmurHash3, 2011)."""
    value = (value ^ (value >> SHIFT)) * MIX
    return value ^ (value >> SHIFT)


@kernel
def shingles(codes, kinds, place, last, out):
    """Hash the next shingles of a text into `out`, until it is full or the text ends. Returns how many were written.

    codes (n,) are the characters of the text; kinds[c] is LETTER, ALONE or 0. Between calls, place (2,) int64 holds the
    index of the next character and the number of words so far, and last (WIDTH,) uint64 the hashes of the last words.
    At the end, place[0] is n + 1.
    """
    word, n = EMPTY, 0
    while place[0] <= len(codes) and n + 2 <= len(out):
        kind = kinds[codes[place[0]]] if place[0] < len(codes) else 0
        if kind == LETTER:
            word = (word ^ np.uint64(codes[place[0]])) * PRIME
            place[0] += 1
            continue
        if word != EMPTY:
            n += followed(last, word, place, out, n)
            word = EMPTY
        if kind == ALONE:
            n += followed(last, (EMPTY ^ np.uint64(codes[place[0]])) * PRIME, place, out, n)
        place[0] += 1
    if place[0] > len(codes) and 0 < place[1] < WIDTH:  # too few words for a shingle: all of them together are one
        out[0] = joined(last)
        n = 1
    return n


@inline
def followed(last, word, place, out, n):
    """Add a word to `last`. Returns 1 if it completes a shingle, whose hash is then out[n]; else 0."""
    for k in range(WIDTH - 1):
        last[k] = last[k + 1]
    last[WIDTH - 1] = finished(word)
    place[1] += 1
    if place[1] >= WIDTH:
        out[n] = joined(last)
        return 1
    return 0


@inline
def joined(words):
    """One hash of WIDTH hashes; it depends on their order."""
    value = np.uint64(0)
    for k in range(WIDTH):
        value = value * FACTOR + words[k]
    return finished(value)


@kernel
def minima(codes, kinds, factors, summands, row):
    """Lower row (p,) uint32 to the minima of factors (p,) * h + summands (p,) mod 2**32 over the shingles h of a
    text."""
    place, last, found = np.zeros(2, np.int64), np.zeros(WIDTH, np.uint64), np.empty(1024, np.uint64)
    while place[0] <= len(codes):
        n = shingles(codes, kinds, place, last, found)
        for i in range(n):
            h = np.uint32(found[i] >> np.uint64(32))
            for p in range(len(row)):
                row[p] = min(row[p], np.uint32(h * factors[p] + summands[p]))


@kernel
def near_pairs(signatures, order, keys, low, sure, found):
    """Write pairs of similar documents into found (m,) int64. Returns how many, or -1 if there is no room for all.

    order (k,) are documents, sorted by keys (k,) uint64 and then by number; documents with the same key form a bucket.
    Each document is compared with the leaders of its bucket. If the signatures are equal in at least `low` places, the
    two are a pair, written as later * n + earlier, with n documents. A document becomes a leader unless it is equal to
    another leader in at least `sure` places.
    """
    leaders = np.empty(MOST_LEADERS, np.int64)
    n_leaders, n = 0, 0
    for k in range(len(order)):
        if k == 0 or keys[k] != keys[k - 1]:
            n_leaders = 0
        document, leads = order[k], True
        for l in range(min(n_leaders, MOST_LEADERS)):
            equal = 0
            for p in range(signatures.shape[1]):
                equal += signatures[document, p] == signatures[leaders[l], p]
            if equal >= low:
                if n == len(found):
                    return -1
                found[n] = document * len(signatures) + leaders[l]
                n += 1
            if equal >= sure:
                leads = False
                break
        if leads:
            leaders[n_leaders % MOST_LEADERS] = document  # it replaces the oldest leader if there is no room
            n_leaders += 1
    return n
