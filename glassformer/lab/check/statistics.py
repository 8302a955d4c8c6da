"""What is in a dataset, in numbers: how long its documents are, which tokens occur, which scripts they are written in,
and how well n-grams predict the validation split (what to compare every model with that is trained on it)."""

from typing import NamedTuple

import numpy as np

from glassformer.data.clean.scripts import SCRIPTS, Classes
from glassformer.data.ngram import MOST_COUNTED, NGram, evenly
from glassformer.data.shards import Dataset, Split
from glassformer.data.spans import evaluation_spans
from glassformer.lab.check.hashes import blocks

ORDER = 5
MOST_JUDGED = 500_000  # validation tokens that the n-grams predict
STRETCH = 1024  # tokens at a time, of those
MOST_CHARACTERS = 4_000_000  # whose scripts are counted, about
SAMPLES = 256


class Statistics(NamedTuple):
    """The numbers of one dataset."""

    lengths: dict[str, np.ndarray]
    """For "train" and "validation": (n_documents,) int64, the tokens of each document without its separator."""
    counts: np.ndarray
    """(V,) int64: how often each id occurs in train."""
    scripts: dict[str, float]
    """The share of each class of characters in the bytes of train. Only classes that occur, the most frequent first."""
    yardsticks: list[float]
    """Bits per byte of the 1-gram, the 2-gram ... on validation."""
    counted: int
    """How many training tokens the n-grams counted."""

    def frequent(self) -> list[int]:
        """The ids that occur in train, the most frequent first."""
        order = np.argsort(-self.counts, kind="stable")
        return order[: int((self.counts > 0).sum())].tolist()

    def unused(self) -> list[int]:
        """The ids that do not occur in train."""
        return np.flatnonzero(self.counts == 0).tolist()

    def unused_bytes(self, token_bytes: list[bytes]) -> int:
        """How many of the unused ids stand for a single byte."""
        return sum(len(token_bytes[id]) == 1 for id in self.unused())


def compute(data: Dataset) -> Statistics:
    """The statistics of a dataset. Reads train once, and samples of both splits."""
    counts = np.zeros(data.index.vocab_size, np.int64)
    for _, ids in blocks(data.train):
        counts += np.bincount(ids, minlength=len(counts))
    lengths = {split.name: np.diff(split.documents) - 1 for split in (data.train, data.validation)}
    return Statistics(lengths, counts, _scripts(data), yardsticks(data), min(len(data.train), MOST_COUNTED))


def yardsticks(data: Dataset) -> list[float]:
    """Bits per byte of the 1-gram to the 5-gram, on at most MOST_JUDGED validation tokens; empty if validation is one
    token."""
    ngram = NGram.fit(evenly(data.train.tokens), ORDER, data.index.vocab_size)
    if len(data.validation) < 2:
        return []
    spans = evaluation_spans(np.asarray(data.validation.documents), STRETCH, MOST_JUDGED).tolist()
    return ngram.bits_per_byte_of_orders(data.validation.tokens, spans, data.tokenizer.token_bytes)


def _scripts(data: Dataset) -> dict[str, float]:
    totals, classes = np.zeros(len(SCRIPTS), np.int64), Classes()
    for text in _samples(data, data.train):
        totals += np.bincount(classes.of_bytes(text), minlength=len(totals))
    order = [i for i in np.argsort(-totals, kind="stable").tolist() if totals[i]]
    return {list(SCRIPTS)[i]: float(totals[i] / totals.sum()) for i in order}


def _samples(data: Dataset, split: Split) -> list[str]:
    """Stretches of text, evenly spread. Characters that are cut at the ends of a stretch are left out."""
    ids = evenly(split.tokens, MOST_CHARACTERS // 4)
    ids = ids[~np.isin(ids, list(data.tokenizer.special.values()))]
    pieces = np.array_split(ids, SAMPLES)
    return [data.tokenizer.decode_bytes(piece.tolist()).decode(errors="ignore") for piece in pieces]
