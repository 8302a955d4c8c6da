"""Hashes of many spans of ids at once: of every n-gram of a sequence, and of every document.

The n-gram hash is that of Karp and Rabin (1987), modulo 2^64, with a random value for each id. Theirs slides along one
position at a time; this one doubles: it makes the hash of 2m ids from two hashes of m ids. So the hashes of all n-grams
take about 2 log2 n passes over an array and no loop over positions. Equal hashes are only candidates: before anything
is reported, the ids themselves are compared.
"""

import hashlib
from collections.abc import Iterator

import numpy as np

from glassformer.data.shards import Split

BLOCK = 1 << 20
"""How many ids are read at a time."""
_BASE = 0x9E3779B97F4A7C15  # odd: multiplying by an odd number modulo 2^64 loses no information


def values(vocab_size: int) -> np.ndarray:
    """(V,) uint64: the random value that stands for each id; the same values at every call."""
    return np.random.Philox(key=vocab_size).random_raw(vocab_size)


def ngram_hashes(ids: np.ndarray, n: int, value_of: np.ndarray) -> np.ndarray:
    """(len(ids) - n + 1,) uint64: the hash of ids[i : i + n] for each i; empty for fewer than n ids."""
    count = len(ids) - n + 1
    if count < 1:
        return np.zeros(0, np.uint64)
    power, length, done = value_of[ids], 1, 0  # `power`: hashes of `length` = 1, 2, 4, ... ids
    result = np.zeros(count, np.uint64)  # of the first `done` ids of each n-gram
    while length <= n:
        if n & length:
            result = result * _shift(length) + power[done : done + count]
            done += length
        if 2 * length <= n:
            power = power[:-length] * _shift(length) + power[length:]
        length *= 2
    return result ^ (result >> np.uint64(29))  # the low bits of a product depend on low bits only


def blocks(split: Split, overlap: int = 0) -> Iterator[tuple[int, np.ndarray]]:
    """(position, ids) from beginning to end: BLOCK ids at a time, and `overlap` ids more with which the next block
    begins."""
    for start in range(0, len(split), BLOCK):
        yield start, split.tokens[start : start + BLOCK + overlap]


def documents(split: Split) -> Iterator[tuple[int, np.ndarray]]:
    """(number, ids) of each document, without its separator. The split is read in large pieces."""
    bounds = np.asarray(split.documents)
    first = 0
    while first < len(bounds) - 1:
        last = max(first + 1, int(np.searchsorted(bounds, bounds[first] + BLOCK, side="right")) - 1)
        ids, cuts = split.tokens[int(bounds[first]) : int(bounds[last])], (bounds[first:last + 1] - bounds[first]).tolist()
        for number, (start, stop) in enumerate(zip(cuts, cuts[1:]), start=first):
            yield number, ids[start + 1 : stop]
        first = last


def document_hashes(split: Split) -> np.ndarray:
    """(n_documents,) uint64: documents with the same ids have the same hash."""
    digests = b"".join(hashlib.blake2b(ids.tobytes(), digest_size=8).digest() for _, ids in documents(split))
    return np.frombuffer(digests, "<u8")


def document_of(split: Split, positions: np.ndarray) -> np.ndarray:
    """For each position, the number of the document that it lies in."""
    return np.searchsorted(split.documents, positions, side="right") - 1


def same_ids(a: Split, starts_a: np.ndarray, b: Split, starts_b: np.ndarray, n: int) -> np.ndarray:
    """(len(starts_a),) bool: whether the n ids at starts_a[i] of `a` equal the n ids at starts_b[i] of `b`, for each
    i."""
    same = np.zeros(len(starts_a), bool)
    for first in range(0, len(starts_a), BLOCK // n + 1):
        part = slice(first, first + BLOCK // n + 1)
        same[part] = (a.tokens.windows(starts_a[part], n) == b.tokens.windows(starts_b[part], n)).all(axis=1)
    return same


def _shift(length: int) -> np.uint64:
    """The base to the power of `length`, modulo 2^64."""
    return np.uint64(pow(_BASE, length, 2**64))
