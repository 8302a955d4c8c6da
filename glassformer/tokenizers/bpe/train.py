"""From texts to merges: count the unique pieces, then learn. A small corpus in plain Python, a large one compiled.

The first texts are counted by the plain `Splitter` and a `Counter`. Once they are many (`cache_folder.enough`), the kernels
take over where that stopped, so nothing is read twice and no text is kept. Both ways give the same merges.
"""

from collections import Counter

import numpy as np

from glassformer.system import cache_folder
from glassformer.tokenizers.bpe.merge import Merge, learn
from glassformer.tokenizers.bpe.patterns import Splitter

BATCH = 1 << 22  # characters that wait until they are counted together


class Learner:
    """Texts in, merges out."""

    def __init__(self, split: Splitter) -> None:
        self._split = split
        self._pieces: Counter[str] = Counter()
        self._seen = 0  # characters, until the kernels take over
        self._counts = None  # theirs: a PieceCounts
        self._waiting: list[str] = []
        self._n_waiting = 0

    def add(self, text: str) -> None:
        """Count the pieces of a text."""
        if self._counts is None and self._seen + len(text) < cache_folder.enough():
            self._seen += len(text)
            self._pieces.update(self._split(text))
            return
        if self._counts is None:
            if self._split.automaton is None:
                self._pieces.update(self._split(text))
                return
            from glassformer.tokenizers.bpe.count import PieceCounts

            self._counts = PieceCounts(self._split.automaton)
        self._waiting.append(text)
        self._n_waiting += len(text)
        if self._n_waiting >= BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._counts is not None:
            self._counts.add(text.encode() for text in self._waiting)
        self._waiting, self._n_waiting = [], 0

    def learn(self, n_merges: int, min_frequency: int) -> list[Merge]:
        """The merges of everything added."""
        self._flush()
        words = [piece.encode() for piece in self._pieces]
        if self._counts is None and sum(map(len, words)) < cache_folder.enough():
            return learn(dict(zip(words, self._pieces.values())), n_merges, min_frequency)
        from glassformer.tokenizers.bpe import learn as _learn

        text = np.frombuffer(bytearray().join(words), np.uint8)
        ends = np.cumsum([0, *map(len, words)], dtype=np.int64)
        counts = np.fromiter(self._pieces.values(), np.int64, len(words))
        if self._counts is not None:  # a word that both have counted is two words to the learner, which is the same
            more_text, more_ends, more_counts = self._counts.result()
            text = np.concatenate([text, more_text])
            ends = np.concatenate([ends, more_ends[1:] + ends[-1]])
            counts = np.concatenate([counts, more_counts])
        return _learn.learn(text, ends, counts, n_merges, min_frequency)
