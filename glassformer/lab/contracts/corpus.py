"""Promises of a corpus (`corpus`), tried on its first 2,000 documents."""

from itertools import islice
from typing import Any

from glassformer.corpora import Corpus, Document, Skipped
from glassformer.lab.contracts._alone import cases, label

__all__ = ["BASIS", "PROMISES", "cases", "label"]

MOST = 2_000


def documents(corpus: Corpus) -> list[Any]:
    """The first of them."""
    return list(islice(corpus.documents(), MOST))


def yields_documents(corpus: Corpus) -> None:
    """`documents()` yields Document(text, origin), and Skipped.because(origin, reason) for what cannot be read."""
    found = documents(corpus)
    for number, document in enumerate(found):
        where = f"document {number}"
        assert isinstance(document, Document), f"{where} is a {type(document).__name__}, no Document(text, origin)"
        assert isinstance(document.origin, str) and document.origin, (
            f"{where} has no origin, a place that a person can look up"
        )
        if isinstance(document, Skipped):
            continue
        assert isinstance(document.text, str), f"{where} has a {type(document.text).__name__} as its text, not str"
        assert document.text.strip(), (
            f'{where} ({document.origin}) is empty; yield Skipped.because(origin, "is empty") instead'
        )
        assert document.split in ("", "train", "validation"), (
            f"{where} has the split {document.split!r}, not train or validation"
        )
    n = sum(not isinstance(document, Skipped) for document in found)
    assert n, f"it yields no text ({len(found)} unreadable things)"


def yields_the_same_documents_twice(corpus: Corpus) -> None:
    """Read twice, it has the same documents in the same order; an interrupted preparation goes on where it stopped."""
    for number, (one, two) in enumerate(zip(documents(corpus), documents(corpus), strict=True)):
        assert one == two, (
            f"document {number} is another one the second time ({one.origin}, {two.origin}); seed what is drawn"
        )


def has_a_fingerprint(corpus: Corpus) -> None:
    """`fingerprint()` is a text, the same each time: it says whether a prepared dataset is still the right one."""
    one, two = corpus.fingerprint(), corpus.fingerprint()
    assert isinstance(one, str) and one, f"fingerprint returns {one!r:.40}; return a hash of paths, sizes and settings"
    assert one == two, "fingerprint is another one the second time, so the text would be prepared again for every run"


def knows_its_size_and_sources(corpus: Corpus) -> None:
    """`size()` is a number of bytes or None; each document's source is one of `sources`, whose weights add up to 1."""
    size: Any = corpus.size()
    assert size is None or (isinstance(size, int) and size >= 0), f"size returns {size!r:.40}, no number of bytes"
    names, weights = corpus.sources, corpus.weights
    assert len(names) == len(weights), f"it has {len(names)} sources and {len(weights)} weights"
    assert abs(sum(weights) - 1) < 1e-6, f"the weights of its sources add up to {sum(weights):.4g}, not to 1"
    for number, document in enumerate(documents(corpus)):
        assert 0 <= document.source < len(names), f"document {number} is of source {document.source}, of {len(names)}"


BASIS = [yields_documents]
PROMISES = [yields_the_same_documents_twice, has_a_fingerprint, knows_its_size_and_sources]
