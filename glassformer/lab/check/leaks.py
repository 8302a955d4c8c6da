"""Leaks: validation text that is also in train. On such text the loss measures what a model remembers, not what it
learned.

There are two tests. *Exact*: a validation document has the same ids as a training document. *N-grams*, after Brown et
al. (2020, "Language Models are Few-Shot Learners", appendix C): how many of a document's sequences of 13 tokens occur
in train. What matters is one long copy, so a document leaks if half of its n-grams are in ONE training document. If
they are scattered over many documents, it must be 80 %, not counting n-grams in more than ten training documents, which
are common phrases. Text made from templates needs this rule: of a held-out village story 43 % of the 13-grams occur
somewhere in train, though no story was copied.

Documents are compared in sections of 4,096 tokens, so that one copied chapter of a book is found. Memory is bounded:
the n-grams of about four million validation tokens are kept as sorted hashes while train is read once, then those of
the next four million. Every n-gram that is reported was compared token by token.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from glassformer.data.shards import Dataset, Split
from glassformer.lab.check import EXCERPT, MOST_PLACES, CheckConfig, Finding, Place, counted, excerpt
from glassformer.lab.check.hashes import blocks, document_of, ngram_hashes, same_ids, values
from glassformer.system.command import typed

GRAMS = 1 << 22
SECTION = 4096
SOURCES = 3  # training documents that each suspicious section is compared with

Progress = Callable[[str], None]


class Leak(NamedTuple):
    """A part of a validation document that is also in train."""

    document: int
    start: int
    stop: int
    """Its ids are tokens[start:stop] of the validation split."""
    source: int
    """The training document that has most of it."""
    share: float
    """The share of its n-grams that occur in that document."""
    scattered: float
    """The share of its n-grams that occur in any training document, not counting common phrases."""
    shown: int
    """Where in the validation split the longest text in common begins."""


class Overlap(NamedTuple):
    """What validation and train have in common."""

    exact: list[Leak]
    partial: list[Leak]
    shares: np.ndarray
    """(n_sections,) float64: for each section compared, the share of its n-grams that occur in train, phrases
    included."""
    compared: int
    """How many validation tokens were compared."""


class Known:
    """Distinct validation n-grams, by their hashes, and where they occur in train, which is read past them once."""

    def __init__(self, hashes: np.ndarray) -> None:
        self.hashes = np.unique(hashes)
        bits = max(10, int(16 * len(self.hashes)).bit_length())
        self._shift = np.uint64(64 - bits)
        self._filter = np.zeros(1 << bits, bool)  # false: certainly not known, so no binary search is needed
        self._filter[self.hashes >> self._shift] = True
        self.first, self.last = (np.full(len(self.hashes), -1) for _ in range(2))
        """The first and last position of each n-gram in train; -1 if it does not occur there."""
        self.documents = np.zeros(len(self.hashes), np.int32)
        """In how many training documents each n-gram occurs."""

    def find(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(places in `hashes`, n-gram numbers) of those hashes that are known."""
        maybe = np.flatnonzero(self._filter[hashes >> self._shift])
        numbers = np.searchsorted(self.hashes, hashes[maybe])
        known = self.hashes[np.minimum(numbers, len(self.hashes) - 1)] == hashes[maybe]
        return maybe[known], numbers[known]

    def see(self, train: Split, positions: np.ndarray, numbers: np.ndarray) -> None:
        """Record where n-grams occur in train; the positions increase from call to call."""
        order = np.argsort(numbers, kind="stable")
        positions, numbers = positions[order], numbers[order]
        inside = document_of(train, positions)
        begins = np.ones(len(numbers), bool)
        begins[1:] = numbers[1:] != numbers[:-1]
        fresh = begins.copy()
        fresh[1:] |= inside[1:] != inside[:-1]
        before = self.last[numbers[begins]]
        fresh[begins] &= (before < 0) | (document_of(train, before) != inside[begins])
        self.documents += np.bincount(numbers[fresh], minlength=len(self.hashes)).astype(np.int32)
        unseen = before < 0
        self.first[numbers[begins][unseen]] = positions[begins][unseen]
        ends = np.append(begins[1:], True)[: len(begins)]
        self.last[numbers[ends]] = positions[ends]


def look(
    data: Dataset, train_hashes: np.ndarray, validation_hashes: np.ndarray, config: CheckConfig, tell: Progress
) -> Overlap:
    """Everything that validation has in common with train. The hashes are those of `document_hashes`."""
    copied = exact(data, train_hashes, validation_hashes)
    starts, stops, section_of = sections(data.validation, {leak.document for leak in copied}, config)
    found: list[Leak] = []
    shares = []
    for first, last in _passes(stops - starts):
        tell(f"comparing validation with train, {last:,} of {len(starts):,} sections")
        part = _Part(data, starts[first:last], stops[first:last], section_of[first:last], config)
        found += part.leaks()
        shares.append(part.shares)
    compared = int((stops - starts).sum()) + sum(leak.stop - leak.start for leak in copied)
    return Overlap(copied, found, np.concatenate([*shares, np.ones(len(copied))]), compared)


def exact(data: Dataset, train_hashes: np.ndarray, validation_hashes: np.ndarray) -> list[Leak]:
    """Validation documents with the same ids as a training document; empty ones are not counted."""
    order = np.argsort(train_hashes, kind="stable")
    places = np.minimum(np.searchsorted(train_hashes, validation_hashes, sorter=order), len(order) - 1)
    sources = order[places]
    leaks = []
    for document in np.flatnonzero(train_hashes[sources] == validation_hashes).tolist():
        source, (start, stop) = int(sources[document]), data.validation.documents[document : document + 2].tolist()
        begin, end = data.train.documents[source : source + 2].tolist()
        if stop - start > 1 and np.array_equal(data.validation.tokens[start:stop], data.train.tokens[begin:end]):
            leaks.append(Leak(document, start + 1, stop, source, 1.0, 1.0, start + 1))
    return leaks


def sections(split: Split, without: set[int], config: CheckConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(starts, stops, documents) of the sections to compare: all that hold an n-gram, or as many as `validation_tokens`
    allows. Documents in `without` are left out."""
    bounds = np.asarray(split.documents)
    lengths = np.diff(bounds) - 1
    pieces = np.where(lengths >= config.n, np.maximum(1, lengths // SECTION), 0)  # the last one takes the rest
    pieces[list(without)] = 0
    document = np.repeat(np.arange(len(pieces)), pieces)
    number = np.arange(len(document)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    starts = bounds[document] + 1 + number * SECTION
    stops = np.where(number == pieces[document] - 1, bounds[document + 1], starts + SECTION)
    if (total := int((stops - starts).sum())) > config.validation_tokens:
        chosen = np.arange(max(1, len(starts) * config.validation_tokens // total)) * total // config.validation_tokens
        chosen = chosen[chosen < len(starts)]
        starts, stops, document = starts[chosen], stops[chosen], document[chosen]
    return starts, stops, document


def _passes(lengths: np.ndarray) -> Iterator[tuple[int, int]]:
    """(first, last) of groups of sections with about GRAMS n-grams each."""
    group = np.cumsum(lengths) // GRAMS
    cuts = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(lengths)]
    yield from ((first, last) for first, last in zip(cuts, cuts[1:]) if first < last)


class _Part:
    """Some sections, compared with the whole of train."""

    def __init__(
        self, data: Dataset, starts: np.ndarray, stops: np.ndarray, section_of: np.ndarray, config: CheckConfig
    ) -> None:
        self._data, self._config, self._document = data, config, section_of
        self._starts, self._stops = starts, stops
        self._values = values(data.index.vocab_size)
        n, validation = config.n, data.validation
        ids = np.concatenate([validation.tokens[a:b] for a, b in zip(starts.tolist(), stops.tolist())])
        section = np.repeat(np.arange(len(starts)), stops - starts)
        whole = section[: len(section) - n + 1] == section[n - 1 :]  # n-grams inside one section
        offsets = np.arange(len(section)) - np.repeat(np.cumsum(stops - starts) - (stops - starts), stops - starts)
        self._section, self._positions = section[: len(whole)][whole], (starts[section] + offsets)[: len(whole)][whole]
        hashes = ngram_hashes(ids, n, self._values)[whole]
        self._known = Known(hashes)
        for start, block in blocks(data.train, overlap=n - 1):
            places, numbers = self._known.find(ngram_hashes(block, n, self._values))
            if len(places):
                self._known.see(data.train, start + places, numbers)
        self._number = np.searchsorted(self._known.hashes, hashes)
        self._total = np.bincount(self._section, minlength=len(starts))
        self.shares = self._share(self._known.documents[self._number] > 0)

    def _share(self, found: np.ndarray) -> np.ndarray:
        """For each section, the share of its n-grams for which `found` is true."""
        return np.bincount(self._section, found, minlength=len(self._total)) / np.maximum(1, self._total)

    def leaks(self) -> list[Leak]:
        suspicious = np.flatnonzero(self.shares >= min(self._config.share, self._config.spread))
        bounds = np.cumsum(self._total)
        found = (self._leak(section, int(bounds[section] - self._total[section]), int(bounds[section]))
                 for section in suspicious.tolist())  # fmt: skip
        return [leak for leak in found if leak]

    def _leak(self, section: int, first: int, last: int) -> Leak | None:
        """The leak of a section, whose n-grams are number `first` to `last`; None if it is not a copy. All n-grams are
        compared token by token."""
        train, validation, config = self._data.train, self._data.validation, self._config
        positions, numbers = self._positions[first:last], self._number[first:last]
        seen, n_documents = self._known.first[numbers], self._known.documents[numbers]
        there = seen >= 0
        there[there] = same_ids(validation, positions[there], train, seen[there], config.n)
        if not there.any():
            return None
        witnesses = np.concatenate([seen[there], self._known.last[numbers][there]])
        sources, counts = np.unique(document_of(train, witnesses), return_counts=True)
        shared: dict[int, np.ndarray] = {}
        ids = validation.tokens[int(self._starts[section]) : int(self._stops[section])]
        for source in sources[np.argsort(-counts, kind="stable")][:SOURCES].tolist():
            begin, end = train.documents[source : source + 2].tolist()
            shared[source] = in_common(ids, train.tokens[begin:end], config.n, self._values)
        source = max(shared, key=lambda source: shared[source].sum())
        scattered = float((there & (n_documents <= config.common)).mean())
        if (share := float(shared[source].mean())) < config.share and scattered < config.spread:
            return None
        shown = int(positions[_longest_run(shared[source] if share >= config.share else there)])
        start, stop = int(self._starts[section]), int(self._stops[section])
        return Leak(int(self._document[section]), start, stop, source, share, scattered, shown)


def in_common(ids: np.ndarray, other: np.ndarray, n: int, value_of: np.ndarray) -> np.ndarray:
    """(len(ids) - n + 1,) bool: the n-grams of `ids` that occur in `other`, compared token by token."""
    ours, theirs = ngram_hashes(ids, n, value_of), ngram_hashes(other, n, value_of)
    if not len(theirs):
        return np.zeros(len(ours), bool)
    order = np.argsort(theirs)
    places = order[np.minimum(np.searchsorted(theirs, ours, sorter=order), len(order) - 1)]
    window = np.lib.stride_tricks.sliding_window_view
    return (window(ids, n) == window(other, n)[places]).all(axis=1)


def _longest_run(flags: np.ndarray) -> int:
    """Where the longest run of true values begins."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return int(edges[::2][np.argmax(edges[1::2] - edges[::2])]) if len(edges) else 0


def findings(data: Dataset, overlap: Overlap, config: CheckConfig) -> list[Finding]:
    """What the overlap means. Leaks are errors, with two exceptions that are warnings: copies of documents shorter than
    an n-gram, and partial copies that hold less than 1 % of the validation tokens."""
    found = []
    total = len(data.validation)
    if overlap.exact:
        n = len(overlap.exact)
        by_chance = all(leak.stop - leak.start < config.n for leak in overlap.exact)
        found.append(Finding(
            "warning" if by_chance else "error", "leaks",
            f"{n:,} of {data.validation.index.documents:,} validation documents are in train as well",
            f"Prepare the dataset again from its text: `{typed('prepare')}` drops equal documents, "
            "whichever split they are in.",
            _places(data, overlap.exact),
        ))  # fmt: skip
    if overlap.partial:
        n = len({leak.document for leak in overlap.partial})
        share = sum(leak.stop - leak.start for leak in overlap.partial) / total
        worst = sorted(overlap.partial, key=lambda leak: max(leak.share, leak.scattered) * (leak.start - leak.stop))
        found.append(Finding(
            "error" if share >= 0.01 else "warning", "leaks",
            f"of {counted(n, 'validation document')}, at least {config.share:.0%} of the {config.n}-token sequences are in "
            f"train ({share:.1%} of the validation tokens are in these copies)",
            "Prepare the dataset again with data.near_duplicates=0.8, which drops near copies.", _places(data, worst),
        ))  # fmt: skip
    return found


def _places(data: Dataset, leaks: list[Leak]) -> tuple[Place, ...]:
    bounds = data.validation.documents
    places = []
    for leak in leaks[:MOST_PLACES]:
        start, stop = bounds[leak.document : leak.document + 2].tolist()
        whole = (leak.start, leak.stop) == (start + 1, stop)
        part = "" if whole else f", tokens {leak.start - start:,} to {leak.stop - start:,}"
        where = f"validation document {leak.document:,}{part}: {leak.share:.0%} is in train document {leak.source:,}"
        where += f", {leak.scattered:.0%} in train" if leak.scattered > leak.share else ""
        places.append(Place(where, excerpt(data, data.validation, leak.shown, min(leak.stop, leak.shown + EXCERPT))))
    return tuple(places)
