"""Training: from texts to merges. Counts the unique pieces, then learns from them.

A small corpus is counted and learnt from in plain Python, a large one by the kernels in `compiled/`; both give the same
merges. When the texts turn out to be many, the kernels take over where Python stopped counting, so nothing is read
twice and no text is kept.
"""

from collections import Counter

import numpy as np

from glassformer.tokenizers.bpe import incremental
from glassformer.tokenizers.bpe.compiled import enough
from glassformer.tokenizers.bpe.merges import Merge
from glassformer.tokenizers.bpe.patterns import Splitter

BATCH = 1 << 22  # characters that are counted together


class Learner:
    """Texts in, merges out."""

    def __init__(self, split: Splitter) -> None:
        self._split = split
        self._pieces: Counter[str] = Counter()
        self._seen = 0  # characters counted in Python
        self._counts = None  # a PieceCounts, once the kernels have taken over
        self._waiting: list[str] = []
        self._n_waiting = 0

    def add(self, text: str) -> None:
        """Count the pieces of a text."""
        if self._counts is None and not self._kernels_take_over(self._seen + len(text)):
            self._seen += len(text)
            self._pieces.update(self._split(text))
            return
        self._waiting.append(text)
        self._n_waiting += len(text)
        if self._n_waiting >= BATCH:
            self._flush()

    def _kernels_take_over(self, n_characters: int) -> bool:
        if n_characters < enough("count") or self._split.automaton is None:
            return False
        from glassformer.tokenizers.bpe.compiled.count import PieceCounts

        self._counts = PieceCounts(self._split.automaton)
        return True

    def _flush(self) -> None:
        if self._counts is not None:
            self._counts.add(text.encode() for text in self._waiting)
        self._waiting, self._n_waiting = [], 0

    def learn(self, n_merges: int, min_frequency: int) -> list[Merge]:
        """The merges of everything added."""
        self._flush()
        text, ends, counts = self._unique()
        if len(text) < enough("learn"):
            data, words = text.tobytes(), Counter[bytes]()
            for start, end, count in zip(ends.tolist(), ends[1:].tolist(), counts.tolist()):
                words[data[start:end]] += count
            return incremental.learn(words, n_merges, min_frequency)
        from glassformer.tokenizers.bpe.compiled.learn import learn

        return learn(text, ends, counts, n_merges, min_frequency)

    def _unique(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(text, ends, counts): word n is text[ends[n] : ends[n + 1]] and occurred counts[n] times.

        A word that Python and the kernels have both counted is there twice, with a part of its count each.
        """
        words = [piece.encode() for piece in self._pieces]
        text = np.frombuffer(bytearray().join(words), np.uint8)
        ends = np.cumsum([0, *map(len, words)], dtype=np.int64)
        counts = np.fromiter(self._pieces.values(), np.int64, len(words))
        if self._counts is None:
            return text, ends, counts
        more_text, more_ends, more_counts = self._counts.result()
        return (
            np.concatenate([text, more_text]),
            np.concatenate([ends, more_ends[1:] + ends[-1]]),
            np.concatenate([counts, more_counts]),
        )
