"""How WordPiece learns: join the neighbours that are together more often than their own frequencies explain.

    score(a, b) = count(a b) / (count(a) count(b))

This picks the pair whose joining raises the likelihood of the texts under a unigram model most, per occurrence (Schuster
and Nakajima 2012). BPE takes the most frequent pair instead. The score prefers rare pairs: two characters that only ever
occur together score 1 / their count, so `min_frequency` decides how much evidence a pair needs.

A word starts as its first character (with the space before it, if any) and `##` continuations: " the" is " t ##h ##e".
Of equal scores the more frequent pair wins, then the first in code point order. `plain_learn` is this definition. `learn`
gives the same tokens (the tests compare them) but touches only what a merge changes.
"""

import heapq
from collections import Counter
from collections.abc import Mapping

CONTINUES = "##"
Pair = tuple[str, str]


def letters(word: str) -> list[str]:
    """ " the" -> [" t", "##h", "##e"]; a space alone is a letter."""
    first = 2 if word.startswith(" ") and len(word) > 1 else 1
    return [word[:first], *(CONTINUES + character for character in word[first:])]


def joined(pair: Pair) -> str:
    """(" t", "##h") -> " th"."""
    return pair[0] + pair[1][len(CONTINUES) :]


def plain_learn(words: Mapping[str, int], known: set[str], n_tokens: int, min_frequency: int) -> list[str]:
    """At most `n_tokens` new tokens, none of them in `known`, from word counts."""
    split = {word: letters(word) for word in words}
    learnt: list[str] = []
    while len(learnt) < n_tokens:
        single: Counter[str] = Counter()
        counts: Counter[Pair] = Counter()
        for word, parts in split.items():
            for part in parts:
                single[part] += words[word]
            for pair in zip(parts, parts[1:]):
                counts[pair] += words[word]
        candidates = [pair for pair, count in counts.items() if count >= min_frequency]
        if not candidates:
            break
        best = min(candidates, key=lambda p: (-counts[p] / (single[p[0]] * single[p[1]]), -counts[p], p))
        if joined(best) not in known and joined(best) not in learnt:
            learnt.append(joined(best))
        split = {word: _merged(parts, best) for word, parts in split.items()}
    return learnt


def learn(words: Mapping[str, int], known: set[str], n_tokens: int, min_frequency: int) -> list[str]:
    """What `plain_learn` gives. Memory grows with the unique words."""
    learner = _Learner(words, min_frequency)
    learnt: dict[str, None] = {}
    while len(learnt) < n_tokens and (pair := learner.best()):
        if joined(pair) not in known:
            learnt[joined(pair)] = None
        learner.merge(pair)
    return list(learnt)


class _Learner:
    """Counts that are kept up to date from merge to merge, and a heap of candidates.

    A merge changes the count of its two parts, and so the score of every pair that contains one of them, up or down.
    Each of those pairs is pushed again. An entry that is no longer true is dropped when it is popped.
    """

    def __init__(self, words: Mapping[str, int], min_frequency: int) -> None:
        self.words, self.frequency = [letters(word) for word in words], list(words.values())
        self.min_frequency = max(1, min_frequency)
        self.single: Counter[str] = Counter()
        self.counts: Counter[Pair] = Counter()
        self.where: dict[Pair, dict[int, None]] = {}
        self.pairs_of: dict[str, set[Pair]] = {}
        for i in range(len(self.words)):
            self.count(i, self.frequency[i])
        self.heap = [self.entry(pair) for pair, count in self.counts.items() if count >= self.min_frequency]
        heapq.heapify(self.heap)

    def count(self, i: int, n: int) -> set[Pair]:
        """Count word i as it stands n times more; returns its pairs."""
        parts = self.words[i]
        for part in parts:
            self.single[part] += n
        pairs = list(zip(parts, parts[1:]))
        for pair in pairs:
            self.counts[pair] += n
            if n > 0:
                self.where.setdefault(pair, {})[i] = None
                for part in pair:
                    self.pairs_of.setdefault(part, set()).add(pair)
        return set(pairs)

    def entry(self, pair: Pair) -> tuple[float, int, Pair]:
        count = self.counts[pair]
        return -count / (self.single[pair[0]] * self.single[pair[1]]), -count, pair

    def best(self) -> Pair | None:
        while self.heap:
            entry = heapq.heappop(self.heap)
            pair = entry[2]
            if self.counts.get(pair, 0) >= self.min_frequency and entry == self.entry(pair):
                return pair
        return None

    def merge(self, pair: Pair) -> None:
        touched: set[Pair] = set()
        for i in self.where.pop(pair):
            after = _merged(self.words[i], pair)
            if len(after) < len(self.words[i]):
                touched |= self.count(i, -self.frequency[i])
                self.words[i] = after
                touched |= self.count(i, self.frequency[i])
        for part in {*pair, joined(pair)}:
            touched |= self.pairs_of.get(part, set())
        for now in touched:
            if self.counts[now] >= self.min_frequency:
                heapq.heappush(self.heap, self.entry(now))
            elif not self.counts[now]:
                del self.counts[now]
                self.where.pop(now, None)
                for part in now:
                    self.pairs_of[part].discard(now)


def _merged(parts: list[str], pair: Pair) -> list[str]:
    """`parts` with every occurrence of `pair` joined, from left to right."""
    result: list[str] = []
    i = 0
    while i < len(parts):
        if i + 1 < len(parts) and (parts[i], parts[i + 1]) == pair:
            result.append(joined(pair))
            i += 2
        else:
            result.append(parts[i])
            i += 1
    return result
