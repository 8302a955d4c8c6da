"""How good are the stories that a model wrote? The checker reads them back, and they are compared with the training
text.

A story counts as copied if at least half of its runs of three sentences occur, word for word, in the training stories.
Single sentences recur by design, since all come from one grammar. Three whole sentences in a row with the same names,
things and wordings hardly ever do (bench/village.py measures how often that happens to validation stories).
"""

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .checker import check
from .story import tell

SENTENCE = re.compile(r'[^.!?\n]+[.!?]*"?')
RUN = 3  # sentences
COPIED = 0.5  # a story is a copy if at least this share of its runs occurs in training


class Score(NamedTuple):
    """The score of some stories: shares from 0 to 1."""

    understood: float
    """The share of sentences that the grammar can read."""
    consistent: float
    """The share of understood claims that contradict nothing that was said before."""
    wholly_right: float
    """The share of stories in which every sentence is understood and nothing is contradicted."""
    original: float
    """The share of stories that are not copied from training."""
    stories: int
    """How many stories were scored."""


class Copies:
    """Remembers the runs of sentences of the training stories, in a Bloom filter of fixed size.

    With 8 MB for the 600,000 runs of 20 MB of stories, about four of a million unknown runs are taken for known ones.
    """

    def __init__(self, texts: Iterable[str], megabytes: float = 8) -> None:
        self.bits = np.zeros(int(megabytes * 1e6), dtype=np.uint8)
        for text in texts:
            places = self._places(text)
            np.bitwise_or.at(self.bits, places >> 3, (1 << (places & 7)).astype(np.uint8))

    def seen(self, text: str) -> float:
        """The share of the text's runs that occur in training. A text of fewer than three sentences is one run."""
        places = self._places(text)
        found = (self.bits[places >> 3] >> (places & 7)) & 1
        return float(found.reshape(-1, 4).all(axis=1).mean()) if len(places) else 0.0

    def copied(self, text: str) -> bool:
        """Whether the text counts as copied from training."""
        return self.seen(text) >= COPIED

    def _places(self, text: str) -> np.ndarray:
        """Four bit numbers for each run of sentences."""
        sentences = [s.strip() for s in SENTENCE.findall(text) if s.strip()]
        runs = ["\n".join(sentences[i : i + RUN]) for i in range(max(min(1, len(sentences)), len(sentences) - RUN + 1))]
        digests = b"".join(hashlib.blake2b(run.encode(), digest_size=32).digest() for run in runs)
        return (np.frombuffer(digests, dtype="<u8") % np.uint64(8 * len(self.bits))).astype(np.int64)


def score(stories: Iterable[str], known: Copies | None = None) -> Score:
    """The score of stories. `known` remembers the training stories; without it no story counts as copied."""
    sentences = understood = claims = wrong = right = original = n = 0
    for story in stories:
        report = check(story)
        n += 1
        sentences += len(report.sentences)
        understood += sum(v.understood for v in report.sentences)
        claims += report.claims
        wrong += sum(min(v.claims, len(v.contradictions)) for v in report.sentences)
        right += report.wholly_right
        original += known is None or not known.copied(story)
    return Score(
        understood / max(1, sentences),
        1 - wrong / claims if claims else 0.0,
        right / max(1, n),
        original / max(1, n),
        n,
    )


def prompts(n: int, seed: int = 0, sentences: int = 2, first: int = 0) -> list[str]:
    """The first sentences of `n` validation stories, for a model to continue."""
    beginnings = []
    for i in range(first, first + n):
        report = check(tell(seed, "validation", i).text)
        beginnings.append(" ".join(v.sentence for v in report.sentences[:sentences]))
    return beginnings
