"""Packed: whole documents side by side in one row, none of which sees another ("masked packing").

Random windows begin and end inside documents, and a model learns to look back at texts that have nothing to do with the
one it reads. Here every row holds documents from their beginning. They are numbered, and the model's attention mask and
the loss go by these numbers: the last token of a document predicts the separator after it, not the next document.

Rows are filled by best fit, the longest document first (Johnson, 1973; for language models: Ding et al., 2024, "Fewer
truncations improve language modeling"): each document goes into the fullest row that still has room for it. Only
documents of one neighbourhood, LOOKAHEAD documents that are stored side by side, share rows. To find a row, its
neighbourhood is filled again; so all that is stored is the number of rows of each neighbourhood. A document longer than
a row is cut into whole rows, and the rest is packed like a document.
"""

import numpy as np

from glassformer.data.batches import Batch
from glassformer.data.mixture import Mixture, Units, neighbourhoods
from glassformer.data.sampler import Sampler
from glassformer.data.sampler._documents import read
from glassformer.data.sampler._rows import Rows
from glassformer.data.shards import Split
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.system.compiled import kernel

LOOKAHEAD = 1024
"""Documents in a neighbourhood: with more of them rows are a little fuller, and each row takes longer to find."""


class Packed(Sampler):
    """Every document once per epoch, whole if it fits into a row; it sees no other document."""

    def build(
        self, split: Split, context_length: int, batch_size: int, seed: int = 0, mixture: Mixture | None = None
    ) -> "PackedRows":
        """With a mixture, a row holds documents of one source, and each source has epochs of its own."""
        return PackedRows(split, context_length, batch_size, seed, mixture)


class PackedRows(Rows):
    """`n_rows` rows are an epoch; the same rows come in another order in the next."""

    def __init__(
        self, split: Split, context_length: int, batch_size: int, seed: int, mixture: Mixture | None = None
    ) -> None:
        super().__init__(split, context_length, batch_size, seed, mixture)
        areas = neighbourhoods(split, mixture, LOOKAHEAD)
        self._areas, self._documents = np.concatenate(areas), np.asarray(split.documents)
        counts = [count_rows(self._documents, area, context_length) for area in areas]
        self._rows = Units(counts, split, mixture, "no document to pack; give more text")
        self.n_rows = len(self._rows)

    def places(self, step: int) -> np.ndarray:
        """(2, batch_size): the neighbourhood of each row, and the row's number there."""
        return np.stack(self._rows.shuffled(*self.deal(step), self.seed))

    def read(self, places: np.ndarray) -> Batch:
        """(2, n) -> n rows. The empty end of a row is a document of its own whose targets are IGNORED."""
        ids = np.zeros((places.shape[1], self.context_length), np.int64)
        targets, documents = np.full_like(ids, IGNORED), np.zeros_like(ids)
        for i, (area, row) in enumerate(places.T.tolist()):
            place, pieces = 0, pieces_of_row(self._documents, *self._areas[area], row, self.context_length)
            for n, (start, stop) in enumerate(pieces.tolist()):
                end = place + stop - start
                ids[i, place:end], targets[i, place:end] = read(self.split, start, stop)
                documents[i, place:end] = n
                place = end
            documents[i, place:] = n + 1
        return Batch.from_arrays(ids, targets, documents)


@kernel
def count_rows(documents, areas, length):
    """How many rows of `length` the documents of each area make: areas (n, 2) from, to -> (n,) int64."""
    counts = np.zeros(len(areas), np.int64)
    for i in range(len(areas)):
        first, last = areas[i]
        lengths = documents[first + 1 : last + 1] - documents[first:last]
        counts[i] = (lengths // length).sum() + fill(lengths % length, length)[1]
    return counts


@kernel
def pieces_of_row(documents, first, last, row, length):
    """(n, 2) int64: from and to which token the pieces of row number `row` of the area `first` to `last` reach."""
    lengths = documents[first + 1 : last + 1] - documents[first:last]
    for i in range(len(lengths)):
        whole = lengths[i] // length
        if row < whole:  # a part of a long document, a row by itself
            start = documents[first + i] + row * length
            return np.array([[start, start + length]])
        row -= whole
    rests = lengths % length
    inside = np.flatnonzero(fill(rests, length)[0] == row)
    ends = documents[first + 1 + inside]
    return np.stack((ends - rests[inside], ends), 1)


@kernel
def fill(lengths, length):
    """Best fit, the longest first: lengths (n,) below `length` -> (the row (n,) of each, -1 for nothing, and how many).

    The rows with exactly r places left are a list that begins with `newest[r]` and goes on with `older[row]`.
    """
    row_of, older = np.full(len(lengths), -1), np.empty(len(lengths), np.int64)
    newest, most, n_rows = np.full(length + 1, -1), 0, 0
    for i in np.argsort(-lengths, kind="mergesort"):
        if lengths[i] == 0:
            break
        room = lengths[i]
        while room <= most and newest[room] < 0:
            room += 1
        if room <= most:
            row = newest[room]
            newest[room] = older[row]
        else:
            row, room = n_rows, length
            n_rows += 1
        left = room - lengths[i]
        older[row], newest[left], most = newest[left], row, max(most, left)
        row_of[i] = row
    return row_of, n_rows
