"""The two algorithms of byte-pair encoding, each as it is defined and as it is fast: learn merges, apply merges.

Definition (Sennrich et al. 2016, after Gage 1994). Every word starts as its bytes. Count all pairs of neighbours, a
word as often as it occurs; join the most frequent pair everywhere; repeat. The list of joined pairs, in order, is the
whole tokenizer. Ties go to the lexicographically greater pair of byte strings, so the result never depends on the order
of the texts. To encode a word, join the pair in it that was learnt earliest, everywhere from left to right; repeat.

`plain_learn` and `plain_apply` are those sentences. `learn` and `apply` give the same answers (the tests compare them)
by touching only what a merge changes; `learn.py` and `encode.py` compile the same ideas. They
speak in symbols: a byte is its value, the k-th merge's result is 256 + k.
"""

import heapq
from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

Merge = tuple[bytes, bytes]
Pair = tuple[int, int]
Token = TypeVar("Token", bytes, int)


def plain_learn(words: Mapping[bytes, int], n_merges: int, min_frequency: int = 1) -> list[Merge]:
    """At most `n_merges` merges from word counts; fewer when no pair occurs `min_frequency` times any more."""
    split = {word: [bytes([value]) for value in word] for word in words}
    merges: list[Merge] = []
    while len(merges) < n_merges:
        counts: Counter[Merge] = Counter()
        for word, parts in split.items():
            for pair in zip(parts, parts[1:]):
                counts[pair] += words[word]
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        if counts[best] < min_frequency:
            break
        merges.append(best)
        split = {word: _joined(parts, best, best[0] + best[1]) for word, parts in split.items()}
    return merges


def plain_apply(word: bytes, symbol_of: Mapping[Pair, int]) -> list[int]:
    """The symbols of a word; `symbol_of` gives the symbol that each pair is merged into, 256 + its rank."""
    parts = list(word)
    while known := [pair for pair in zip(parts, parts[1:]) if pair in symbol_of]:
        best = min(known, key=symbol_of.__getitem__)
        parts = _joined(parts, best, symbol_of[best])
    return parts


def _joined(parts: list[Token], pair: tuple[Token, Token], new: Token) -> list[Token]:
    """`parts` with every occurrence of `pair` replaced by `new`, from left to right: aaa -> (aa) a."""
    result: list[Token] = []
    i = 0
    while i < len(parts):
        if parts[i] == pair[0] and i + 1 < len(parts) and parts[i + 1] == pair[1]:
            result.append(new)
            i += 2
        else:
            result.append(parts[i])
            i += 1
    return result


class _Learner:
    """Pair counts that follow the merges: each merge revisits only the words that hold its pair.

    `where` lists, for a pair, the words it has appeared in (it may have left some since). The heap holds candidates,
    the most frequent first. A count can only fall after its pair has been pushed, because every pair that a merge
    creates contains the new symbol; so an entry is at worst too optimistic, and is corrected when it is popped.
    """

    def __init__(self, words: Mapping[bytes, int]) -> None:
        self.words = [list(word) for word in words]
        self.frequency = list(words.values())
        self.tokens = [bytes([value]) for value in range(256)]
        self.order = [_reversed_order(token) for token in self.tokens]
        self.counts: Counter[Pair] = Counter()
        self.where: dict[Pair, list[int]] = {}
        for i, word in enumerate(self.words):
            for pair in zip(word, word[1:]):
                self.counts[pair] += self.frequency[i]
                self.note(pair, i)
        self.heap = [self.candidate(pair) for pair in self.counts]
        heapq.heapify(self.heap)

    def note(self, pair: Pair, word: int) -> None:
        places = self.where.setdefault(pair, [])
        if not places or places[-1] != word:  # once a word, however often the pair is in it
            places.append(word)

    def candidate(self, pair: Pair) -> tuple[int, str, str, Pair]:
        return -self.counts[pair], self.order[pair[0]], self.order[pair[1]], pair

    def best(self) -> Pair | None:
        """The most frequent pair, or None when no two symbols are neighbours any more."""
        while self.heap:
            claimed, _, _, pair = heapq.heappop(self.heap)
            if -claimed == self.counts[pair]:
                return pair
            if self.counts[pair]:
                heapq.heappush(self.heap, self.candidate(pair))
        return None

    def merge(self, pair: Pair) -> None:
        new = len(self.tokens)
        self.tokens.append(self.tokens[pair[0]] + self.tokens[pair[1]])
        self.order.append(_reversed_order(self.tokens[new]))
        created: set[Pair] = set()
        for i in self.where.pop(pair):
            before, n = self.words[i], self.frequency[i]
            after = self.words[i] = _joined(before, pair, new)
            if len(after) == len(before):
                continue
            for old in zip(before, before[1:]):
                self.counts[old] -= n
            for now in zip(after, after[1:]):
                self.counts[now] += n
                if new in now:
                    created.add(now)
                    self.note(now, i)
        del self.counts[pair]
        for now in created:
            heapq.heappush(self.heap, self.candidate(now))


def learn(words: Mapping[bytes, int], n_merges: int, min_frequency: int = 1) -> list[Merge]:
    """What `plain_learn` gives, in time that grows with the pairs that change. Memory grows with the unique words."""
    learner = _Learner(words)
    merges: list[Merge] = []
    while len(merges) < n_merges and (pair := learner.best()) and learner.counts[pair] >= min_frequency:
        merges.append((learner.tokens[pair[0]], learner.tokens[pair[1]]))
        learner.merge(pair)
    return merges


def _reversed_order(token: bytes) -> str:
    """A key that sorts greater byte strings first, for a heap that pops its smallest: `b` before `ab` before `a`."""
    return "".join(chr(255 - value) for value in token) + "\u0100"


def apply(word: bytes, symbol_of: Mapping[Pair, int]) -> list[int]:
    """What `plain_apply` gives, in O(n log n): a heap of the pairs that can be merged, over a linked list of symbols.

    The earliest-learnt merge is popped first, of equals the leftmost; a pair that has changed since is skipped.
    """
    if len(word) < 2:
        return list(word)
    symbols: list[int] = list(word)
    right = list(range(1, len(word) + 1))
    left = list(range(-1, len(word) - 1))
    heap = [(symbol_of[pair], i) for i, pair in enumerate(zip(symbols, symbols[1:])) if pair in symbol_of]
    heapq.heapify(heap)
    while heap:
        new, i = heapq.heappop(heap)
        j = right[i]
        if j >= len(word) or symbol_of.get((symbols[i], symbols[j])) != new:
            continue
        symbols[i], symbols[j] = new, -1
        right[i] = k = right[j]
        if k < len(word):
            left[k] = i
            if (symbol := symbol_of.get((new, symbols[k]))) is not None:
                heapq.heappush(heap, (symbol, i))
        if (h := left[i]) >= 0 and (symbol := symbol_of.get((symbols[h], new))) is not None:
            heapq.heappush(heap, (symbol, h))
    return [symbol for symbol in symbols if symbol >= 0]
