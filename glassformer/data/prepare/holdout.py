"""Which text is held out for validation.

The corpus may decide that for each document. If it does not, a hash of the document's text decides, so that equal texts
are never in both splits and a new document does not move others. With fewer than 20 documents a hash could by chance
hold out far too many or none, so then the end of each document is held out (of tinyshakespeare, which is one document,
the last 10 %, cut where nanoGPT cuts it).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from glassformer.data.prepare.spool import Spool
from glassformer.errors import DatasetError

FEW_DOCUMENTS = 20
SPLITS = {"": 0, "train": 1, "validation": 2}
"""`Document.split` as a number, which the spool keeps; 0 means undecided."""


class Piece(NamedTuple):
    """Text for one split: a document, or a part of one."""

    number: int
    """The number of the document in the spool."""
    text: str
    source: int


class HoldOut:
    """Divides the documents of a spool for which `stays` (n,) bool is true into train and validation.

    Raises DatasetError if there is too little text to hold any out.
    """

    def __init__(self, spool: Spool, stays: np.ndarray, fraction: float) -> None:
        self._spool, self._fraction = spool, fraction
        self._side = np.zeros(len(spool), np.uint8)  # 0 for documents that are dropped
        documents, n_given, characters = np.zeros(3, np.int64), 0, 0
        self._n_bytes = np.zeros(3, np.int64)
        for first, records in spool.records():
            here = slice(first, first + len(records))
            drawn = np.where(records["hash"] < np.uint64(fraction * 2.0**64), SPLITS["validation"], SPLITS["train"])
            side = np.where(records["split"] == SPLITS[""], drawn, records["split"]) * stays[here]
            self._side[here] = side
            documents += np.bincount(side, minlength=3)
            self._n_bytes += np.bincount(side, records["bytes"], minlength=3).astype(np.int64)
            n_given += int(((records["split"] != SPLITS[""]) & stays[here]).sum())
            characters += int(records["characters"].sum())
        n = int(documents[1:].sum())
        self._tails = not documents[1:].all() or (n < FEW_DOCUMENTS and not n_given)
        self.rule = self._in_words(n_given, n)
        if self._tails and not (any(self.pieces("train")) and any(self.pieces("validation"))):
            raise DatasetError(
                f"the whole corpus has {characters} characters, too few for a training and a validation split; "
                "give more text"
            )

    def pieces(self, name: str, start: int = 0) -> Iterator[Piece]:
        """The text of `train` or `validation`, in the order of the corpus, from document number `start` on. No piece is
        empty."""
        if not self._tails:
            yield from map(Piece._make, self._spool.texts(self._side == SPLITS[name], start))
            return
        for number, text, source in self._spool.texts(self._side > 0, start):
            cut = int(len(text) * (1 - self._fraction))
            if piece := text[:cut] if name == "train" else text[cut:]:
                yield Piece(number, piece, source)

    def n_bytes(self, name: str) -> int:
        """UTF-8 bytes of the text of one split; an estimate if the ends of documents are held out."""
        if not self._tails:
            return int(self._n_bytes[SPLITS[name]])
        return int(self._n_bytes[1:].sum() * (self._fraction if name == "validation" else 1 - self._fraction))

    def _in_words(self, n_given: int, n: int) -> str:
        by_hash = f"{self._fraction:.0%} of the documents, chosen by a hash of their text"
        if self._tails:
            return f"the last {self._fraction:.0%} of each document"
        if n_given == n:
            return "the documents that the corpus chooses"
        return f"the documents that the corpus chooses and, of the others, {by_hash}" if n_given else by_hash
