"""Learning and applying merges in plain Python, touching only what each merge changes.

The definitions are `plain_learn` and `plain_encode` in this folder's `__init__.py`: they look at all words again for
each merge. Here each merge visits only the words that hold its pair, and a heap finds the next pair. The results are
the same; tests compare them. For large texts `compiled/` does the same work in machine code.

Everything is in symbols (`merges.py`): a byte is its value, and the result of merge number k is 256 + k.
"""

import heapq
from collections import Counter
from collections.abc import Mapping

from glassformer.tokenizers.bpe.merges import Merge, Pair


def learn(words: Mapping[bytes, int], n_merges: int, min_frequency: int = 1) -> list[Merge]:
    """What `plain_learn` gives, in time that grows with the pairs that change. Memory grows with the unique words."""
    learner = _Learner(words)
    merges: list[Merge] = []
    while len(merges) < n_merges and (pair := learner.best()) and learner.counts[pair] >= min_frequency:
        merges.append((learner.tokens[pair[0]], learner.tokens[pair[1]]))
        learner.merge(pair)
    return merges


class _Learner:
    """Pair counts that are kept up to date from merge to merge.

    `where` lists, for each pair, the words it has appeared in (it may have left some since). The heap holds candidates,
    the most frequent first. Every pair that a merge creates contains the new symbol, so after a pair has been pushed
    its count can only fall. An entry of the heap is therefore never too low; one that is too high is corrected when it
    is popped.
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
        """Remember that this word holds this pair."""
        places = self.where.setdefault(pair, [])
        if not places or places[-1] != word:  # once per word, however often the pair is in it
            places.append(word)

    def candidate(self, pair: Pair) -> tuple[int, str, str, Pair]:
        """The pair's entry for the heap."""
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
        """Make a new symbol of this pair wherever it stands."""
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


def _joined(symbols: list[int], pair: Pair, new: int) -> list[int]:
    """The symbols with every occurrence of `pair` replaced by `new`, from left to right: aaa -> (aa) a."""
    result: list[int] = []
    i = 0
    while i < len(symbols):
        if symbols[i] == pair[0] and i + 1 < len(symbols) and symbols[i + 1] == pair[1]:
            result.append(new)
            i += 2
        else:
            result.append(symbols[i])
            i += 1
    return result


def _reversed_order(token: bytes) -> str:
    """A key that sorts greater byte strings first, for a heap that pops its smallest: `b` before `ab` before `a`."""
    return "".join(chr(255 - value) for value in token) + "\u0100"


def encode(word: bytes, symbol_of: Mapping[Pair, int]) -> list[int]:
    """The symbols of what `plain_encode` gives, in O(n log n): a heap of possible merges over a linked list of symbols.

    The merge that was learnt first is popped first, and among equal ones the leftmost. A pair that has changed since it
    was pushed is skipped.
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
