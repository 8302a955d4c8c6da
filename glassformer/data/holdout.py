"""Which text is held out for validation.

As the corpus says, where it does; else by a hash of each document's text, so that equal texts never fall on both sides
and a new document moves no other. With fewer than 20 documents a hash is a lottery, so the tail of each is held out
instead (tinyshakespeare, one document: its last 10 %, cut where nanoGPT cuts it).
"""

from collections.abc import Iterator

import numpy as np

from glassformer.data.spool import Spool
from glassformer.errors import DatasetError

FEW_DOCUMENTS = 20
SPLITS = {"": 0, "train": 1, "validation": 2}
"""`Document.split` as the number the spool keeps; 0 is undecided."""


class HoldOut:
    """The two parts of a spool's distinct documents."""

    def __init__(self, spool: Spool, fraction: float) -> None:
        self._spool, self._fraction = spool, fraction
        self.distinct = spool.first_of_equals()
        chosen = np.where(spool.hashes < np.uint64(fraction * 2.0**64), SPLITS["validation"], SPLITS["train"])
        given = spool.splits[self.distinct] != SPLITS[""]
        self._splits = np.where(spool.splits == SPLITS[""], chosen, spool.splits)
        both = all((self.distinct & (self._splits == SPLITS[name])).any() for name in ("train", "validation"))
        self._tails = not both or (len(given) < FEW_DOCUMENTS and not given.any())
        by_hash = f"{fraction:.0%} of the documents, chosen by a hash of their text"
        if self._tails:
            self.rule = f"tail: the last {fraction:.0%} of each document is for validation"
        elif given.all():
            self.rule = "given: the corpus says which documents are for validation"
        elif given.any():
            self.rule = f"given by the corpus for some documents; of the others, for validation: {by_hash}"
        else:
            self.rule = f"hash: for validation are {by_hash}"
        if self._tails and not (any(self.texts("train")) and any(self.texts("validation"))):
            raise DatasetError(
                f"the whole corpus has {spool.characters.sum()} characters, too few to hold any out; give more text"
            )

    def texts(self, name: str) -> Iterator[str]:
        """The texts of `train` or `validation`, in the corpus's order; none is empty."""
        if not self._tails:
            yield from self._spool.texts(self.distinct & (self._splits == SPLITS[name]))
            return
        for text in self._spool.texts(self.distinct):
            cut = int(len(text) * (1 - self._fraction))
            if piece := text[:cut] if name == "train" else text[cut:]:
                yield piece
