"""A shuffle that is not stored: the place of each of n things is computed when it is needed, for any n.

A Feistel network (Luby and Rackoff, 1988, "How to construct pseudorandom permutations from pseudorandom functions")
splits a number into a high and a low half and changes each in turn by a hash of the other. Every round can be undone,
so the whole is a permutation of 2^bits numbers. If n is not a power of two, a number that leaves the range 0 .. n - 1
goes through the network again until it is back inside ("cycle walking", Black and Rogaway, 2002), which is a
permutation too.
"""

import numpy as np

ROUNDS = 4  # of both halves; two suffice if the hash cannot be told from chance (Luby and Rackoff)
FEWEST_BITS = 5  # with fewer bits, the orders of five things are not equally likely (chi-square ten times its mean)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def shuffled(numbers: np.ndarray, n: int, seed: int, stream: int = 0) -> np.ndarray:
    """numbers (k,) int64 >= 0 -> (k,) int64 in [0, n): which of n things come at these numbers, epoch after epoch.

    Number i is place i % n in the shuffle of epoch i // n. Each epoch, seed and stream has a shuffle of its own.

    >>> shuffled(np.arange(6), 3, seed=1)    # all three things, twice
    array([2, 0, 1, 0, 1, 2])
    """
    epoch, place = np.divmod(numbers, n)
    key = hashed(hashed(hashed(np.full(len(numbers), seed % 2**64, np.uint64)) + np.uint64(stream)) + _unsigned(epoch))
    bits = max(FEWEST_BITS, (n - 1).bit_length())
    value = _round_trip(_unsigned(place), key, bits)
    while (outside := value >= np.uint64(n)).any():
        value[outside] = _round_trip(value[outside], key[outside], bits)
    return value.astype(np.int64)


def hashed(x: np.ndarray) -> np.ndarray:
    """x (k,) uint64 -> (k,) uint64 in which every bit depends on every bit of x (from Steele et al. 2014,
    "SplitMix")."""
    x = x + GOLDEN
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _round_trip(value: np.ndarray, key: np.ndarray, bits: int) -> np.ndarray:
    """A permutation of the numbers with `bits` bits, with a key of its own for each element."""
    n_low = np.uint64(bits // 2)
    low_mask, high_mask = (np.uint64(2**b - 1) for b in (bits // 2, bits - bits // 2))
    high, low = value >> n_low, value & low_mask
    for _ in range(ROUNDS):
        key = key + GOLDEN
        high = high ^ (hashed(key ^ low) & high_mask)
        key = key + GOLDEN
        low = low ^ (hashed(key ^ high) & low_mask)
    return (high << n_low) | low


def _unsigned(x: np.ndarray) -> np.ndarray:
    return x.astype(np.uint64)
