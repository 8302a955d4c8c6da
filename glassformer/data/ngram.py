"""The n-gram model: how well counting alone predicts the next token. Every trained model is compared with it.

It uses interpolated modified Kneser-Ney smoothing, the best of its kind (Kneser and Ney 1995; Chen and Goodman 1998).
With h the k - 1 tokens before w, and h' the same without its first token:

    p_k(w | h) = (c(hw) - D(c(hw))) / c(h) + gamma(h) p_{k-1}(w | h'),        c(h) = sum over w of c(hw)
    gamma(h)   = (D1 N1(h) + D2 N2(h) + D3 N3+(h)) / c(h)                     the probability that the discounts free
    D1 = 1 - 2Y n2/n1,  D2 = 2 - 3Y n3/n2,  D3+ = 3 - 4Y n4/n3,  Y = n1 / (n1 + 2 n2)

N_r(h) is how many w follow h exactly r times, n_r how many k-grams occur r times. At the highest order c counts
occurrences. At lower orders it counts the different tokens seen before the k-gram ("Francisco" is frequent, but it only
follows "San"). Below k = 1 every token has probability 1/V. The end of a document is a token like any other, and
contexts continue across it.

One count gives the models of all orders up to the highest: the k-gram model has the levels below k, and as its highest
level one in which c counts occurrences. So the n-grams 1 to 5 together cost little more than the 5-gram.

There is no loop over tokens. The distinct k-grams are numbered in the order of (number of their first k - 1 tokens,
last token). One sort per level numbers them all, all tokens that follow a context lie side by side, and a lookup is a
binary search.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from glassformer.data.shards import Tokens

MOST_COUNTED = 8_000_000
"""An n-gram model counts at most this many tokens; at 80 bytes each they take 640 MB."""
STRETCHES = 64
UNSEEN_DISCOUNTS = (0.5, 1.0, 1.5)
"""Discounts for a level where the formulas give none: there is too little data, or no k-gram is rare."""


@dataclass(frozen=True)
class Level:
    """The distinct k-grams of one k, with their probabilities."""

    keys: np.ndarray
    """(n,) int64, sorted: number of the first k - 1 tokens among the (k-1)-grams, times V, plus the last token."""
    share: np.ndarray
    """(n,) float64: (c(hw) - D(c(hw))) / c(h)."""
    gamma: np.ndarray
    """(number of (k-1)-grams,) float64: the probability that each context leaves to the shorter one."""

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The number of each key among the k-grams; -1 if it was never seen."""
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)

    def interpolate(self, p: np.ndarray, contexts: np.ndarray, found: np.ndarray) -> None:
        """Turn p_{k-1} of some tokens into p_k, in place. Where the context was never seen, p_{k-1} stays."""
        p *= np.where(contexts >= 0, self.gamma[contexts], 1.0)
        p += np.where(found >= 0, self.share[found], 0.0)


class NGram:
    """A trained n-gram model over ids 0 to vocab_size - 1.

    >>> yardstick = NGram.fit(dataset.train.tokens[:], order=5, vocab_size=dataset.index.vocab_size)
    >>> yardstick.bits_per_byte(dataset.validation.tokens[:], dataset.tokenizer.token_bytes)
    1.02
    """

    def __init__(self, levels: list[Level], counts: list[np.ndarray], vocab_size: int) -> None:
        """`counts[k - 1]` (n,) int32 says how often each key of `levels[k - 1]` occurs."""
        self.levels, self.vocab_size = levels, vocab_size
        self.order = len(levels)
        self._counts = counts

    @classmethod
    def fit(cls, tokens: np.ndarray, order: int = 5, vocab_size: int | None = None) -> Self:
        """Count every k-gram of `tokens` (1-D integers, at least one), k up to `order`; takes about 80 bytes a
        token."""
        vocab_size = int(vocab_size or tokens.max() + 1)
        assert order >= 1 and len(tokens) and tokens.max() < vocab_size
        keys, counts = np.arange(vocab_size), np.bincount(tokens, minlength=vocab_size)
        numbers = tokens  # of the k-gram that starts at each place
        levels, occurrences, n_contexts = [], [], 1
        for k in range(1, order + 1):
            occurrences.append(counts.astype(np.int32))
            if k == order or len(numbers) < 2:
                levels.append(_level(keys, counts, n_contexts, vocab_size))
                break
            longer_keys, places, longer_numbers, longer_counts = _numbered(numbers, tokens[k:], vocab_size)
            continuations = np.bincount(numbers[places + 1], minlength=len(keys))
            levels.append(_level(keys, continuations, n_contexts, vocab_size))
            n_contexts, keys, counts, numbers = len(keys), longer_keys, longer_counts, longer_numbers
        return cls(levels, occurrences, vocab_size)

    def nats(self, tokens: np.ndarray) -> np.ndarray:
        """(n,) float64: -ln p of each token, given those before it (the first tokens have less context)."""
        p = np.full(len(tokens), 1 / self.vocab_size)
        for k, level, contexts, found in self._matches(tokens):
            level.interpolate(p[k - 1 :], contexts, found)
        return -np.log(p)

    def nats_of_orders(self, tokens: np.ndarray) -> Iterator[np.ndarray]:
        """The `nats` of the 1-gram model, the 2-gram model ... and this one, each as if it had been fitted alone."""
        p = np.full(len(tokens), 1 / self.vocab_size)
        for k, level, contexts, found in self._matches(tokens):
            highest, alone = level, p.copy()
            if k < self.order:
                highest = _level(level.keys, self._counts[k - 1], len(level.gamma), self.vocab_size)
                level.interpolate(p[k - 1 :], contexts, found)
            highest.interpolate(alone[k - 1 :], contexts, found)
            yield -np.log(alone)

    def _matches(self, tokens: np.ndarray) -> Iterator[tuple[int, Level, np.ndarray, np.ndarray]]:
        """(k, level, contexts, found) for each k. For each of tokens[k - 1 :], `contexts` is the number of the k - 1
        tokens before it among the (k-1)-grams, and `found` the number of the k-gram that it ends; -1 if that was never
        seen."""
        tokens = np.asarray(tokens, np.int64)
        contexts = np.zeros(len(tokens), np.int64)
        for k, level in enumerate(self.levels, start=1):
            keys = contexts * self.vocab_size + tokens[k - 1 :]
            found = np.where(contexts >= 0, level.find(keys), -1)
            yield k, level, contexts, found
            contexts = found[:-1]  # the k-gram at a token is the context of the next

    def bits_per_byte(self, tokens: np.ndarray, token_bytes: list[bytes]) -> float:
        """Bits per byte of text over all tokens but the first, as `train.evaluate` counts them for a model."""
        n_bytes = np.array([len(piece) for piece in token_bytes])[tokens[1:]].sum()
        return float(self.nats(tokens)[1:].sum() / np.log(2) / n_bytes)

    def bits_per_byte_of_orders(
        self, tokens: Tokens | np.ndarray, spans: Sequence[tuple[int, int]], token_bytes: list[bytes]
    ) -> list[float]:
        """Bits per byte of the 1-gram model, the 2-gram model ... on the rows that evaluation reads, as `train.evaluate`
        counts them for a model. Unlike a model, an n-gram may look back across the start of a row."""
        ids, places = targets(tokens, spans, self.order - 1)
        n_bytes = max(1, np.array([len(piece) for piece in token_bytes])[ids[places]].sum())
        return [float(nats[places].sum() / np.log(2) / n_bytes) for nats in self.nats_of_orders(ids)]

    def distribution(self, context: list[int]) -> np.ndarray:
        """(V,) float64: the probability of every next token."""
        p, number = np.full(self.vocab_size, 1 / self.vocab_size), 0
        for k, level in enumerate(self.levels, start=1):
            if k - 1 > len(context):
                break
            number = self._number(context[len(context) - k + 1 :])
            if number < 0:
                break
            first, last = np.searchsorted(level.keys, [number * self.vocab_size, (number + 1) * self.vocab_size])
            p *= level.gamma[number]
            p[level.keys[first:last] - number * self.vocab_size] += level.share[first:last]
        return p

    def sample(self, rng: np.random.Generator, prompt: list[int], n: int) -> list[int]:
        """n tokens that continue `prompt`, each drawn from the distribution after those before it."""
        ids = list(prompt)
        for _ in range(n):
            cumulated = self.distribution(ids[len(ids) - self.order + 1 :] if self.order > 1 else []).cumsum()
            ids.append(int(np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right")))
        return ids[len(prompt) :]

    def _number(self, gram: list[int]) -> int:
        """The number of a k-gram among those of its length, or -1."""
        number = 0
        for level, token in zip(self.levels, gram):
            number = int(level.find(np.array([number * self.vocab_size + token]))[0])
            if number < 0:
                break
        return number


def evenly(tokens: Tokens | np.ndarray, most: int = MOST_COUNTED) -> np.ndarray:
    """All tokens, or of more than `most` tokens about that many, in evenly spread stretches."""
    if len(tokens) <= most:
        return tokens[:]
    starts = np.arange(STRETCHES) * (len(tokens) - most // STRETCHES) // (STRETCHES - 1)
    return np.concatenate([tokens[start : start + most // STRETCHES] for start in starts.tolist()])


def targets(
    tokens: Tokens | np.ndarray, spans: Sequence[tuple[int, int]], before: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows that evaluation reads, as one text: (ids, the places of the targets in them).

    A span is from which token to which a row reads; the token after each of them is a target. Each target comes with the
    `before` tokens ahead of it, if the text has so many. Only the ids of the rows are read.
    """
    pieces, places, done = [], [], 0
    for start, stop in spans:
        first = max(0, start + 1 - before)
        pieces.append(tokens[first : stop + 1])
        places.append(np.arange(done + start + 1 - first, done + len(pieces[-1])))
        done += len(pieces[-1])
    return np.concatenate(pieces), np.concatenate(places)


def _numbered(numbers: np.ndarray, following: np.ndarray, vocab_size: int) -> tuple[np.ndarray, ...]:
    """The k-grams numbered `numbers`, each extended by the token that follows. Returns the sorted distinct keys of the
    longer k-grams, one place of each, the number of the key at each place, and how often each key occurs. (This is
    `np.unique` with less memory.)"""
    keys = numbers[: len(following)].astype(np.int64)
    keys *= vocab_size
    keys += following
    order = np.argsort(keys)
    keys = keys[order]
    firsts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    counts = np.diff(firsts, append=len(keys))
    longer_numbers = np.empty(len(keys), np.int32)
    longer_numbers[order] = np.repeat(np.arange(len(firsts), dtype=np.int32), counts)
    return keys[firsts], order[firsts], longer_numbers, counts


def _level(keys: np.ndarray, counts: np.ndarray, n_contexts: int, vocab_size: int) -> Level:
    """The formulas at the top of this file, given c(hw) of each k-gram."""
    discount = np.array([0.0, *_discounts(counts)])[np.minimum(counts, 3)]
    contexts = keys // vocab_size
    totals = np.bincount(contexts, counts, n_contexts)
    freed = np.bincount(contexts, discount, n_contexts)
    seen = totals > 0
    gamma = np.divide(freed, totals, out=np.ones(n_contexts), where=seen)
    share = np.divide(counts - discount, totals[contexts], out=np.zeros(len(keys)), where=seen[contexts])
    return Level(keys, share, gamma)


def _discounts(counts: np.ndarray) -> tuple[float, ...]:
    n1, n2, n3, n4 = (int((counts == r).sum()) for r in range(1, 5))
    if not (n1 and n2 and n3 and n4):
        return UNSEEN_DISCOUNTS
    y = n1 / (n1 + 2 * n2)
    discounts = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return discounts if all(0 <= d <= r for r, d in enumerate(discounts, start=1)) else UNSEEN_DISCOUNTS
