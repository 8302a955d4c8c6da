"""Buckets: one whole document per row, in batches of documents of about the same length, padded on the right.

No mask is needed, since a row holds one document and the padding comes after it (its targets are IGNORED). The rows of a
batch have the same length, the longest document's, rounded up to a multiple of `multiple`. Short documents make batches
of more rows, so that every batch has about batch_size * context_length places. A document longer than a row is cut into
whole rows and a rest.

In an epoch every piece comes once. A piece's length decides its bucket, so the number of batches of each bucket is known
from the lengths; the shuffle (data/shuffle.py) decides which pieces of a bucket share a batch, and the order of the
batches. All that is stored is the number of pieces of each bucket in every AREA documents.
"""

import numpy as np
from pydantic import PositiveInt

from glassformer.data.batches import Batch, rows_of
from glassformer.data.mixture import Dealer, Mixture, Units, neighbourhoods
from glassformer.data.sampler import Sampler
from glassformer.data.sampler._documents import read
from glassformer.data.shards import Split
from glassformer.data.shuffle import shuffled
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.system.compiled import kernel

AREA = 1024
"""Documents whose pieces are counted together; to find one piece, this many documents are looked at."""


class Buckets(Sampler):
    """Batches of documents of similar length, padded to the longest."""

    multiple: PositiveInt = 32
    """Rows are padded to a multiple of this; a small one wastes fewer places, a large one gives fewer different shapes."""

    def build(
        self, split: Split, context_length: int, batch_size: int, seed: int = 0, mixture: Mixture | None = None
    ) -> "BucketBatches":
        """With a mixture, a batch holds documents of one source, and each source has epochs of its own."""
        return BucketBatches(split, context_length, batch_size, seed, mixture, self.multiple)


class BucketBatches:
    """`n_batches` are an epoch of all sources together."""

    def __init__(
        self, split: Split, context_length: int, batch_size: int, seed: int, mixture: Mixture | None, multiple: int
    ) -> None:
        self.split, self.context_length, self.seed, self.multiple = split, context_length, seed, multiple
        self._deal = Dealer(mixture, 1, seed)
        self._documents = np.asarray(split.documents)
        self.widths = np.minimum(np.arange(multiple, context_length + multiple, multiple), context_length)
        self._rows = np.maximum(1, batch_size * context_length // self.widths)
        self._areas = neighbourhoods(split, mixture, AREA)
        counts = [count_pieces(self._documents, area, context_length, multiple) for area in self._areas]
        self._upto = [np.cumsum(each, 0) for each in counts]  # for each source (areas, buckets)
        self._pieces = [each.sum(0) for each in counts]
        batches = [-(-pieces // self._rows) for pieces in self._pieces]
        self._batches = Units(batches, split, mixture, "no document to read; give more text")
        self.n_batches = len(self._batches)

    def __call__(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """See Batches."""
        pieces, width = self._pieces_of(step)
        mine = pieces[rows_of(rank, ranks, len(pieces))]
        ids = np.zeros((len(mine), width), np.int64)
        targets = np.full_like(ids, IGNORED)
        for i, (start, stop) in enumerate(mine):
            ids[i, : stop - start], targets[i, : stop - start] = read(self.split, start, stop)
        return Batch.from_arrays(ids, targets)

    def _pieces_of(self, step: int) -> tuple[list[tuple[int, int]], int]:
        """The first token of each row of the global batch and the one after its last, and the width of the rows."""
        sources, numbers = self._deal(step)
        source, epoch = int(sources[0]), int(numbers[0]) // self._batches.totals[sources[0]]
        place, batch = self._batches.shuffled(sources, numbers, self.seed)
        bucket = int(place[0]) % len(self.widths)
        n, first = int(self._pieces[source][bucket]), int(batch[0]) * int(self._rows[bucket])
        numbers = epoch * n + np.arange(first, min(n, first + int(self._rows[bucket])))
        chosen = shuffled(numbers, n, self.seed, stream=256 + int(place[0]))  # apart from the streams of the sources
        upto = self._upto[source][:, bucket]
        areas = np.searchsorted(upto, chosen, side="right")
        rests = chosen - np.where(areas > 0, upto[areas - 1], 0)
        found = find_pieces(
            self._documents, self._areas[source][areas], rests, bucket, self.context_length, self.multiple
        )
        return [(start, stop) for start, stop in found.tolist()], int(self.widths[bucket])


@kernel
def count_pieces(documents, areas, length, multiple):
    """How many pieces of each bucket the documents of each area make: areas (n, 2) -> (n, buckets) int64."""
    n_buckets = (length + multiple - 1) // multiple
    counts = np.zeros((len(areas), n_buckets), np.int64)
    for i in range(len(areas)):
        for document in range(areas[i, 0], areas[i, 1]):
            whole, rest = divmod(documents[document + 1] - documents[document], length)
            counts[i, n_buckets - 1] += whole
            if rest:
                counts[i, (rest - 1) // multiple] += 1
    return counts


@kernel
def find_pieces(documents, areas, numbers, bucket, length, multiple):
    """(n, 2) int64: from and to which token piece number `numbers[i]` of a bucket in area `areas[i]` reaches."""
    found = np.empty((len(areas), 2), np.int64)
    for i in range(len(areas)):
        number = numbers[i]
        for document in range(areas[i, 0], areas[i, 1]):
            start, stop = documents[document], documents[document + 1]
            whole, rest = divmod(stop - start, length)
            n_whole = whole if (length - 1) // multiple == bucket else 0
            if number < n_whole:
                found[i] = start + number * length, start + (number + 1) * length
                break
            number -= n_whole
            if rest and (rest - 1) // multiple == bucket:
                if number == 0:
                    found[i] = stop - rest, stop
                    break
                number -= 1
    return found
