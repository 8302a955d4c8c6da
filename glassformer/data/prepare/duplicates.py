"""Near duplicates: documents that repeat an earlier one except for a few words, found without comparing all pairs.

The similarity of two documents is the Jaccard similarity of their shingles, the runs of five words in them (Broder
1997):

    J(A, B) = |A and B| / |A or B|

If a share e of the words is edited, about (1 - e)^5 = q of the shingles stay the same, so J = q / (2 - q): 0.91 if one
word in a hundred was changed, 0.83 for two, 0.63 for five. Case, punctuation and white space are ignored.

**MinHash.** Under a random permutation of all shingles, the smallest of A and the smallest of B are the same shingle
with probability J. A signature is 128 such minima. The share of places where two signatures are equal estimates J with
a standard deviation of sqrt(J (1 - J) / 128), 0.035 at J = 0.8. The permutations are h -> a h + b mod 2^32 of a 32-bit
hash, with a odd.

**Bands.** A signature is cut into b bands of r places, and documents are compared only if some band is equal:

    P(compared | J) = 1 - (1 - J^r)^b

This is an S-curve that rises near (1/b)^(1/r) (Leskovec, Rajaraman, Ullman 2014, section 3.4). r is the largest for
which at most 1 % of the pairs at the threshold are missed. At 0.8 it is 6: then 21 bands compare 99.8 % of the pairs
with J = 0.8, 28 % of those with 0.5, and one in 50,000 of those with 0.1.

`signatures` and `near_duplicates` use the kernels in `minhash`; `shingles_of` and `plain_signature` are their plain
twins.
"""

import functools
import itertools
import unicodedata
from collections.abc import Callable

import numpy as np

N_PERMUTATIONS = 128
WIDTH = 5
MOST_MISSED = 0.01
BANDS_AT_ONCE = 4
STANDING_ALONE = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x1B000, 0x1B16F), (0x20000, 0x3FFFF),
)  # fmt: skip
"""First and last characters of scripts without spaces between words (Thai, Lao, Burmese, Khmer, Japanese, Chinese),
where each character counts as a word."""

Verify = Callable[[int, int], float]
"""Called with the numbers of two documents; returns their exact Jaccard similarity."""


def signatures(texts: list[str]) -> np.ndarray:
    """(n, 128) uint32: the signature of each text. A text without words has the largest number everywhere."""
    from glassformer.data.prepare.minhash import minima

    (factors, summands), kinds = permutations(), _kinds()
    rows = np.full((len(texts), N_PERMUTATIONS), 2**32 - 1, np.uint32)
    for text, row in zip(texts, rows):
        minima(_codes(text), kinds, factors, summands, row)
    return rows


def jaccard(one: str, two: str) -> float:
    """The exact Jaccard similarity of the shingles of two texts; 0 if neither has any."""
    a, b = _shingle_hashes(one), _shingle_hashes(two)
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / max(1, len(a) + len(b) - both)


def near_duplicates(signatures: np.ndarray, threshold: float, verify: Verify | None = None) -> np.ndarray:
    """(n,) int64: for each document the first earlier document that is kept and that it nearly repeats; -1 if it is
    kept.

    signatures (n, 128) uint32 may be memory-mapped; about 60 bytes per document are held in memory. Documents are near
    duplicates if their similarity is at least `threshold`, 0 < threshold <= 1. Without `verify` the estimate decides.
    With it, candidates are chosen with a margin of three standard deviations, and `verify` decides.

    A document is dropped only if it nearly repeats one that is kept, so of a chain of small changes both ends are kept.
    """
    assert 0 < threshold <= 1
    margin = 3 * (threshold * (1 - threshold) / N_PERMUTATIONS) ** 0.5 if verify else 0.0
    sure = (1 + threshold) / 2 if verify else threshold
    pairs = _near_pairs(signatures, rows_of_a_band(threshold), threshold - margin, sure)
    first = np.full(len(signatures), -1, np.int64)
    for some in range(0, len(pairs), 1 << 16):
        for pair in pairs[some : some + (1 << 16)].tolist():
            later, earlier = divmod(pair, len(signatures))
            if first[later] < 0 and first[earlier] < 0 and (not verify or verify(later, earlier) >= threshold):
                first[later] = earlier
    return first


def rows_of_a_band(threshold: float) -> int:
    """r: the largest number of rows with which bands miss at most MOST_MISSED of the pairs at the threshold."""
    fitting = (r for r in range(N_PERMUTATIONS, 1, -1) if 1 - compared(threshold, r) <= MOST_MISSED)
    return next(fitting, 1)


def compared(similarity: float, r: int) -> float:
    """The probability that two documents of that similarity are compared: 1 - (1 - J^r)^b."""
    return 1 - (1 - similarity**r) ** (N_PERMUTATIONS // r)


@functools.cache
def permutations() -> tuple[np.ndarray, np.ndarray]:
    """The factors a, odd, and summands b of the permutations, (128,) uint32 each: splitmix64 of 1, 2, 3 ..."""
    with np.errstate(over="ignore"):
        z = np.arange(1, 2 * N_PERMUTATIONS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    drawn = (z >> np.uint64(32)).astype(np.uint32)
    return drawn[:N_PERMUTATIONS] | np.uint32(1), drawn[N_PERMUTATIONS:].copy()


def shingles_of(text: str) -> set[tuple[str, ...]]:
    """The runs of five words in a text, or all its words if they are fewer: the definition, which the kernel hashes."""
    kinds, words = _kinds().data, []
    for kind, run in itertools.groupby(text.lower(), lambda character: kinds[ord(character)]):
        word = "".join(run)
        words.extend(["", [word], word][kind])
    return {tuple(words[i : i + WIDTH]) for i in range(max(1, len(words) - WIDTH + 1))} if words else set()


def plain_signature(text: str) -> np.ndarray:
    """(128,) uint32: what `signatures` computes, in Python's own integers."""
    hashes = [_shingle_hash(shingle) >> 32 for shingle in shingles_of(text)]
    pairs = zip(*(array.tolist() for array in permutations()))
    return np.array([min(((a * h + b) % 2**32 for h in hashes), default=2**32 - 1) for a, b in pairs], np.uint32)


def _near_pairs(signatures: np.ndarray, r: int, low: float, sure: float) -> np.ndarray:
    """(m,) int64, sorted: later * n + earlier of documents that share a band and agree in `low` of the places."""
    from glassformer.data.prepare.minhash import near_pairs

    signatures, n_bands, pairs = np.asarray(signatures), N_PERMUTATIONS // r, np.empty(0, np.int64)
    places = [int(np.ceil(share * N_PERMUTATIONS - 1e-9)) for share in (low, sure)]
    found = np.empty(max(1024, len(signatures) // 4), np.int64)
    for band in range(0, n_bands, BANDS_AT_ONCE):
        for keys in _band_keys(signatures, r, range(band, min(band + BANDS_AT_ONCE, n_bands))):
            order = np.argsort(keys, kind="stable")
            keys = keys[order]
            shared = signatures[order, 0] < 2**32 - 1  # the document has words
            shared[1:-1] &= (keys[1:-1] == keys[:-2]) | (keys[1:-1] == keys[2:])
            order, keys = order[shared], keys[shared]
            while (n := near_pairs(signatures, order, keys, *places, found)) < 0:
                found = np.empty(2 * len(found), np.int64)
            if n:
                pairs = np.union1d(pairs, found[:n])
    return pairs


def _band_keys(signatures: np.ndarray, r: int, bands: range) -> np.ndarray:
    """(len(bands), n) uint64: for each band and document, a hash of its r rows of the signature."""
    keys = np.zeros((len(bands), len(signatures)), np.uint64)
    for start in range(0, len(signatures), 1 << 14):
        rows = signatures[start : start + (1 << 14)]
        for key, band in zip(keys[:, start : start + len(rows)], bands):
            for place in range(band * r, (band + 1) * r):
                key ^= rows[:, place]
                key *= np.uint64(0x9E3779B97F4A7C15)
                key ^= key >> np.uint64(29)
    return keys


def _shingle_hashes(text: str) -> np.ndarray:
    """The distinct 64-bit hashes of a text's shingles, sorted."""
    from glassformer.data.prepare.minhash import shingles

    codes = _codes(text)
    out = np.empty(len(codes) + 2, np.uint64)
    return np.unique(out[: shingles(codes, _kinds(), np.zeros(2, np.int64), np.zeros(WIDTH, np.uint64), out)])


def _shingle_hash(shingle: tuple[str, ...]) -> int:
    """The plain twin of the kernel's hash of one shingle. Fewer than five words are padded with zeros in front."""
    value = 0
    for word in ("",) * (WIDTH - len(shingle)) + shingle:
        h = 0xCBF29CE484222325
        for character in word:
            h = (h ^ ord(character)) * 0x100000001B3 % 2**64
        value = (value * 0x9E3779B97F4A7C15 + (_finished(h) if word else 0)) % 2**64
    return _finished(value)


def _finished(value: int) -> int:
    value = (value ^ (value >> 33)) * 0xFF51AFD7ED558CCD % 2**64
    return value ^ (value >> 33)


def _codes(text: str) -> np.ndarray:
    """The characters of a text in lower case, as numbers of one byte if that is enough, else of four."""
    text = text.lower()
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@functools.cache
def _kinds() -> np.ndarray:
    """(0x110000,) uint8: for each character 1 if it is part of a word, 2 if it is a word by itself, else 0."""
    kinds = np.array([unicodedata.category(chr(code))[0] in "LMN" for code in range(0x110000)], np.uint8)
    for first, last in STANDING_ALONE:
        kinds[first : last + 1] *= 2
    return kinds
