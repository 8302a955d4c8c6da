"""What cleaning would do to a few documents, step by step, before a long preparation: `glass prepare --explain`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from glassformer.corpora import Corpus, Skipped
from glassformer.data.clean import CleanConfig, step_of
from glassformer.tokenizers import well_formed

READ, SHOWN = 1000, 10  # documents


@dataclass(frozen=True)
class Explained:
    """One document, and the steps that changed it."""

    origin: str
    before: str
    after: str
    """Empty if a step drops the document."""
    changes: list[tuple[str, str, str]]
    """(step, the text before it, the text after it). A step that drops the document is the last, and leaves ""."""


@dataclass
class Preview:
    """What cleaning would do to the first READ documents of a corpus."""

    changed: list[Explained] = field(default_factory=list)
    """The first documents that change, at most SHOWN."""
    unchanged: list[Explained] = field(default_factory=list)
    """The first documents that stay as they are, at most SHOWN."""
    skipped: list[str] = field(default_factory=list)
    """A sentence for everything that could not be read."""
    n_documents: int = 0
    n_changed: int = 0

    def shown(self) -> Iterator[Explained]:
        """SHOWN documents, first those that change."""
        yield from [*self.changed, *self.unchanged][:SHOWN]


def preview(corpus: Corpus, config: CleanConfig) -> Preview:
    """Clean the first READ documents of a corpus; nothing is written. Raises CorpusError, DatasetError."""
    found = Preview()
    for document in islice(corpus.documents(), READ):
        if isinstance(document, Skipped):
            found.skipped.append(str(document))
            continue
        explained = explain(config, well_formed(document.text), document.origin)
        found.n_documents += 1
        found.n_changed += bool(explained.changes)
        kept = found.changed if explained.changes else found.unchanged
        if len(kept) < SHOWN:
            kept.append(explained)
    return found


def explain(config: CleanConfig, text: str, origin: str = "") -> Explained:
    """What each step does to one document.

    >>> explain(CleanConfig(), "one\\r\\ntwo").changes
    [('newlines', 'one\\r\\ntwo', 'one\\ntwo')]
    """
    now, changes = text, []
    for name in config.steps:
        before, now = now, step_of(name, config)(now) if now else ""
        if now != before:
            changes.append((name, before, now))
    if not now.strip() and (now or not changes):
        changes.append(("blank_documents", now, ""))
    return Explained(origin, text, now if now.strip() else "", changes)
