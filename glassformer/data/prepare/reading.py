"""From a corpus to a spool of clean documents: this process reads and stores them in order, and workers clean them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from glassformer.corpora import Corpus, Document, Skipped
from glassformer.data import DataConfig
from glassformer.data.clean import Cleaner, add
from glassformer.data.prepare.holdout import SPLITS
from glassformer.data.prepare.preparation import Preparation
from glassformer.data.prepare.spool import RECORD, Spool, utf8_size
from glassformer.errors import DatasetError
from glassformer.system.workers import in_order
from glassformer.tokenizers import well_formed

BATCH = 1 << 20  # characters


class Batch(NamedTuple):
    """About a megabyte of documents, and what could not be read among them."""

    documents: list[Document]
    skipped: list[tuple[str, str]]
    """(reason, whole sentence) of each."""


class Cleaned(NamedTuple):
    """The result of cleaning a batch: the arguments of `Spool.append`, and counts."""

    stored: tuple[bytes, np.ndarray, bytes, bytes]
    counts: dict[str, Any]
    n_bytes: int
    """UTF-8 bytes of the text before cleaning."""


class Cleaning:
    """The work on a batch: clean its documents and, if near duplicates are to be dropped, compute their signatures."""

    def __init__(self, config: DataConfig) -> None:
        self._clean, self._signs = Cleaner(config.clean), config.near_duplicates > 0

    def __call__(self, batch: Batch) -> Cleaned:
        texts, rows, origins, n_bytes = [], [], [], 0
        for document in batch.documents:
            raw = well_formed(document.text)
            n_bytes += utf8_size(raw)
            origin = document.origin.encode("utf-8", "replace")
            if text := self._clean(raw, document.origin):
                data = text.encode()
                hash = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
                rows.append((hash, len(data), len(text), len(origin), SPLITS[document.split], document.source))
                texts.append(data)
                origins.append(origin)
        signatures = self._signatures(texts) if self._signs else b""
        stored = b"".join(texts), np.array(rows, RECORD), b"".join(origins), signatures
        return Cleaned(stored, self._clean.take(), n_bytes)

    def _signatures(self, texts: list[bytes]) -> bytes:
        from glassformer.data.prepare.duplicates import signatures

        return signatures([data.decode() for data in texts]).tobytes()


class Reading(NamedTuple):
    """What was read so far, as plain values that the journal can keep."""

    n_items: int = 0
    """How many documents were read or skipped."""
    n_bytes: int = 0
    """UTF-8 bytes of text, before cleaning."""
    counts: Mapping[str, Any] = {}
    """What cleaning did, for `clean.report`."""
    skipped: Mapping[str, Sequence[Any]] = {}
    """What could not be read: by reason, (how often, the sentence of the first one)."""
    notes: Mapping[str, Sequence[Any]] = {}
    """What a person should know about documents that were read, in the same form."""

    def and_then(self, batch: Batch, cleaned: Cleaned) -> "Reading":
        """The same with the next batch added."""
        notes = [(document.note, f"{document.origin} {document.note}") for document in batch.documents if document.note]
        return Reading(
            self.n_items + len(batch.documents) + len(batch.skipped),
            self.n_bytes + cleaned.n_bytes,
            add(dict(self.counts), cleaned.counts),
            _counted(self.skipped, batch.skipped),
            _counted(self.notes, notes),
        )


def read(corpus: Corpus, spool: Spool, preparation: Preparation) -> Reading:
    """Fill the spool; an interrupted preparation is continued where the journal ends.

    Raises CorpusError, and DatasetError if there is no text or the corpus changed meanwhile.
    """
    _, config, journal, stage, n_workers = preparation
    facts = journal.last("reading") or {"reading": {}, "whole": False}
    reading = Reading(**facts["reading"])
    if facts["whole"]:
        return reading
    before = corpus.fingerprint()
    stage.begin("reading", reading.n_bytes, corpus.size())
    for batch, cleaned in in_order(Cleaning(config), _batches(corpus, reading.n_items), n_workers):
        spool.append(*cleaned.stored)
        reading = reading.and_then(batch, cleaned)
        stage.at(reading.n_bytes)
        if journal.is_due():
            journal.write("reading", spool=spool.sync(), reading=reading._asdict(), whole=False)
    if not len(spool):
        raise DatasetError("the corpus has no text: every document is blank or could not be read; give another source")
    if corpus.fingerprint() != before:
        raise DatasetError("the text changed while it was read; prepare it again when no program is writing to it")
    journal.write("reading", spool=spool.sync(), reading=reading._asdict(), whole=True)
    stage.end(reading.n_bytes)
    return reading


def _counted(counts: Mapping[str, Sequence[Any]], found: list[tuple[str, str]]) -> dict[str, Sequence[Any]]:
    counted = dict(counts)
    for reason, sentence in found:
        n, first = counted.get(reason, (0, sentence))
        counted[reason] = n + 1, first
    return counted


def _batches(corpus: Corpus, start: int) -> Iterator[Batch]:
    """The corpus in batches, without its first `start` items."""
    batch, size = Batch([], []), 0
    for document in islice(corpus.documents(), start, None):
        if isinstance(document, Skipped):
            batch.skipped.append((document.reason, str(document)))
        else:
            batch.documents.append(document)
            size += len(document.text)
        if size >= BATCH or len(batch.documents) + len(batch.skipped) >= BATCH // 64:
            yield batch
            batch, size = Batch([], []), 0
    if batch.documents or batch.skipped:
        yield batch
