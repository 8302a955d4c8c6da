"""Is a story copied? Its runs of three sentences are looked up among those of other stories.

A text counts as copied if at least half of its runs occur, word for word, in the others. Single sentences recur by design,
since all come from one grammar. Three whole sentences in a row with the same names, things and wordings hardly ever do
(bench/village.py measures how often that happens to validation stories).
"""

import hashlib
import re
from collections.abc import Iterable

import numpy as np

SENTENCE = re.compile(r'[^.!?\n]+[.!?]*"?')
RUN = 3  # sentences
COPIED = 0.5  # a text is a copy if at least this share of its runs occurs elsewhere


class Copies:
    """Remembers the runs of sentences of the training stories, in a Bloom filter of fixed size.

    With 8 MB for the 600,000 runs of 20 MB of stories, about four of a million unknown runs are taken for known ones.
    """

    def __init__(self, texts: Iterable[str] = (), megabytes: float = 8) -> None:
        self.bits = np.zeros(int(megabytes * 1e6), dtype=np.uint8)
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Remember the runs of one more text."""
        places = self._places(text)
        np.bitwise_or.at(self.bits, places >> 3, (1 << (places & 7)).astype(np.uint8))

    def seen(self, text: str) -> float:
        """The share of the text's runs that are remembered. A text of fewer than three sentences is one run."""
        places = self._places(text)
        found = (self.bits[places >> 3] >> (places & 7)) & 1
        return float(found.reshape(-1, 4).all(axis=1).mean()) if len(places) else 0.0

    def copied(self, text: str) -> bool:
        """Whether the text counts as copied from those that are remembered."""
        return self.seen(text) >= COPIED

    def _places(self, text: str) -> np.ndarray:
        """Four bit numbers for each run of sentences."""
        sentences = [s.strip() for s in SENTENCE.findall(text) if s.strip()]
        runs = ["\n".join(sentences[i : i + RUN]) for i in range(max(min(1, len(sentences)), len(sentences) - RUN + 1))]
        digests = b"".join(hashlib.blake2b(run.encode(), digest_size=32).digest() for run in runs)
        return (np.frombuffer(digests, dtype="<u8") % np.uint64(8 * len(self.bits))).astype(np.int64)
