"""`glass data check`: looking for what is wrong with a prepared dataset.

    integrity     is every byte as it was written, and do the ids belong to the tokenizer?
    leaks         validation text that is also in train
    repeats       documents and passages that occur many times within a split
    oddities      documents unlike all others
    statistics    lengths, tokens, scripts, and how well n-grams predict validation

The first four return `Finding`s. `look` runs them all, `terminal` prints what was found, and `page` draws it
(`curves`). `hashes` finds equal spans for leaks and repeats. The data are read in pieces: memory grows only by some
bytes per document.
"""

from typing import Literal, NamedTuple

from pydantic import Field

from glassformer.config import Config
from glassformer.data.shards import Dataset, Split

Severity = Literal["error", "warning", "note"]
EXCERPT = 160  # characters
MOST_PLACES = 8


class Place(NamedTuple):
    """Where something was found, in words, and an excerpt of the text there."""

    where: str
    excerpt: str = ""


class Finding(NamedTuple):
    """What is wrong, how bad it is, where, and what to do about it.

    "error": a model trained on this dataset, or its validation loss, cannot be trusted. "warning": it costs quality or
    compute. "note": worth a look, but often nothing is wrong.
    """

    severity: Severity
    check: str
    """Which check found it: "integrity", "leaks", "repeats" or "oddities"."""
    what: str
    remedy: str
    places: tuple[Place, ...] = ()
    """At most MOST_PLACES places, the worst first."""


class CheckConfig(Config):
    """The limits from which something counts as wrong."""

    n: int = Field(default=13, ge=2, le=100)
    """How many tokens in a row must be equal to count as text in common (13: Brown et al. 2020, appendix C)."""
    share: float = Field(default=0.5, gt=0, le=1)
    """A validation document leaks if this share of its n-grams occurs in one training document."""
    spread: float = Field(default=0.8, gt=0, le=1)
    """A validation document also leaks if this share of its n-grams occurs anywhere in train, not counting those in
    more than `common` training documents."""
    common: int = Field(default=10, ge=1)
    """An n-gram in more training documents than this is taken for a common phrase or boilerplate (Brown et al.
    2020)."""
    validation_tokens: int = Field(default=2**25, ge=1)
    """Compare about this many validation tokens, evenly spread, with train. Train is read once for each 2^22 of
    them."""
    span: int = Field(default=50, ge=8)
    """Length in tokens of the passages that should not occur many times (50: Lee et al. 2022, "Deduplicating Training
    Data")."""
    times: int = Field(default=10, ge=2)
    """A passage is reported if it occurs at least this many times."""
    near: float = Field(default=0.8, gt=0, le=1)
    """Two documents nearly repeat each other from this similarity on (Jaccard similarity of their runs of five
    words)."""
    odd: float = Field(default=8.0, gt=0)
    """A document is odd if its robust z-score is above this."""


def counted(n: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "document"), counted(2_000, "document")
    ('1 document', '2,000 documents')
    """
    return f"{n:,} {noun}{'s' * (n != 1)}"


def excerpt(data: Dataset, split: Split, start: int, stop: int) -> str:
    """The text of the ids from `start` to `stop`, on one line of at most EXCERPT characters."""
    ids = split.tokens[start : min(stop, start + 4 * EXCERPT)].tolist()
    special = set(data.tokenizer.special.values())
    text = " ".join(data.tokenizer.decode([id for id in ids if id not in special]).split())
    return text if len(text) <= EXCERPT else text[: EXCERPT - 3] + "..."
