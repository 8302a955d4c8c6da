"""Looking for what is wrong with a prepared dataset: `glass data check`.

`integrity` (is every byte as it was written, do ids and tokenizer belong together), `leaks` (validation text that is
also in train), `repeats` (what occurs many times within a split), `oddities` (documents unlike all others) each give
`Finding`s; `statistics` counts. `verb` runs them in this order; `terminal` and `page` show what they found. `hashes` is
what leaks and repeats are found with. Everything is read in pieces: memory does not grow with the dataset, but for some
bytes a document.
"""

from typing import Literal, NamedTuple

from pydantic import Field

from glassformer.config import Config
from glassformer.data.shards import Dataset, Split

Severity = Literal["error", "warning", "note"]
EXCERPT = 160  # characters
MOST_PLACES = 8


class Place(NamedTuple):
    """Where something was found, in words, and some of the text that is there."""

    where: str
    excerpt: str = ""


class Finding(NamedTuple):
    """What is wrong, how bad that is, where, and what to do about it.

    "error": a model trained on this, or its validation loss, cannot be trusted. "warning": it costs quality or
    compute. "note": worth a look, often as it should be.
    """

    severity: Severity
    check: str
    """Which check found it: "integrity", "leaks", "repeats", "oddities"."""
    what: str
    remedy: str
    places: tuple[Place, ...] = ()
    """At most MOST_PLACES, the worst first."""


class CheckConfig(Config):
    """What counts as wrong."""

    n: int = Field(default=13, ge=2, le=100)
    """Tokens in a row that must be equal to count as text in common (13: Brown et al. 2020, appendix C)."""
    share: float = Field(default=0.5, gt=0, le=1)
    """A validation document leaks if this share of its n-grams is in one training document."""
    spread: float = Field(default=0.8, gt=0, le=1)
    """Or if this share is in train at all, phrases in more than `common` training documents not counted."""
    common: int = Field(default=10, ge=1)
    """An n-gram in more training documents than this is a phrase of the language, or boilerplate (ibid.)."""
    validation_tokens: int = Field(default=2**25, ge=1)
    """Compare about this much of the validation split with train, taken evenly; each 2^22 take one reading of train."""
    span: int = Field(default=50, ge=8)
    """Tokens in a row that should not occur many times (50: Lee et al. 2022, "Deduplicating Training Data")."""
    times: int = Field(default=10, ge=2)
    """How many occurrences of a span are many."""
    near: float = Field(default=0.8, gt=0, le=1)
    """Documents with this share of word sequences in common (Jaccard similarity of 5-shingles) nearly repeat."""
    odd: float = Field(default=8.0, gt=0)
    """Robust z-score from which a document is unlike the others."""


def counted(n: int, noun: str) -> str:
    """
    >>> counted(1, "document"), counted(2_000, "document")
    ('1 document', '2,000 documents')
    """
    return f"{n:,} {noun}{'s' * (n != 1)}"


def excerpt(data: Dataset, split: Split, start: int, stop: int) -> str:
    """The text of the ids from `start` to `stop`, in one line of at most EXCERPT characters."""
    ids = split.tokens[start : min(stop, start + 4 * EXCERPT)].tolist()
    special = set(data.tokenizer.special.values())
    text = " ".join(data.tokenizer.decode([id for id in ids if id not in special]).split())
    return text if len(text) <= EXCERPT else text[: EXCERPT - 3] + "..."
