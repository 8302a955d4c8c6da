"""Which tokens of a vocabulary a source uses, which it never uses, and how many bytes a token holds in each script.

A token that occurs a handful of times in the training text is *undertrained*: its embedding has hardly moved since
initialisation, and a prompt that contains it misleads the model (Land and Bartolo 2024, "Fishing for Magikarp"). With a
prepared dataset the counts are those the model really learns from.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from glassformer.corpora import corpus
from glassformer.data.clean.scripts import SCRIPTS, Classes
from glassformer.errors import TokenizerError
from glassformer.lens.tokens.find import sample, shrunk
from glassformer.tokenizers import Tokenizer, well_formed

MOST = 5_000_000
"""Characters read from a source."""
RARE = 10
"""A token seen fewer times than this is undertrained."""


@dataclass
class Counts:
    """What was counted in some texts."""

    of_id: np.ndarray  # (V,) int64
    tokens_of: dict[str, int] = field(default_factory=dict)  # per class of characters
    bytes_of: dict[str, int] = field(default_factory=dict)
    not_covered: int = 0  # texts that do not come back, which are left out of the classes


def count(tokenizer: Tokenizer, texts: Iterable[str]) -> Counts:
    """How often each id occurs, and the tokens and bytes of each class of characters.

    A token belongs to the class of its last character (" the" is Latin). Texts that the tokenizer refuses are skipped.
    """
    counts = Counts(np.zeros(tokenizer.vocab_size, np.int64))
    lengths = np.array([len(piece) for piece in tokenizer.token_bytes])
    names = list(SCRIPTS)
    tokens, n_bytes = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64)
    class_of = Classes()
    for text in map(well_formed, texts):
        try:
            ids = np.array(tokenizer.encode(text), np.int64)
        except TokenizerError:
            counts.not_covered += 1
            continue
        counts.of_id += np.bincount(ids, minlength=len(counts.of_id))
        if int(lengths[ids].sum()) != len(text.encode()):
            counts.not_covered += 1
        elif len(ids):
            classes = class_of.of_bytes(text)[np.cumsum(lengths[ids]) - 1]
            tokens += np.bincount(classes, minlength=len(names))
            n_bytes += np.bincount(classes, weights=lengths[ids], minlength=len(names)).astype(np.int64)
    counts.tokens_of, counts.bytes_of = dict(zip(names, tokens.tolist())), dict(zip(names, n_bytes.tolist()))
    return counts


class Usage(NamedTuple):
    """Which tokens of a vocabulary a source uses."""

    where: str
    """What the source is called."""
    counts: Counts
    n_ordinary: int
    """Ids that stand for bytes: all but the special ones, and those that no token has."""
    longest: np.ndarray
    """The ordinary ids, those of the longest tokens first."""
    most_frequent: np.ndarray
    """The same, those that occur most first."""
    unused: np.ndarray
    """Those that never occur, the longest tokens first."""
    undertrained: np.ndarray
    """Those that occur, but fewer than RARE times, the rarest first."""


def usage(tokenizer: Tokenizer, source: str) -> Usage:
    """Count a tokenizer's ids on a source: a corpus, a file or folder, or a prepared dataset. Raises GlassError."""
    texts, where = _texts(tokenizer, source)
    counts = count(tokenizer, texts)
    special = set(tokenizer.special.values())
    ordinary = np.array([id for id in range(tokenizer.vocab_size) if id not in special and tokenizer.token_bytes[id]], int)
    lengths = np.array([len(tokenizer.token_bytes[id]) for id in ordinary], int)
    longest = ordinary[np.argsort(-lengths, kind="stable")]
    seen = counts.of_id[ordinary]
    rare = ordinary[(seen > 0) & (seen < RARE)]
    return Usage(
        where,
        counts,
        len(ordinary),
        longest,
        most_frequent=ordinary[np.argsort(-seen, kind="stable")],
        unused=longest[counts.of_id[longest] == 0],
        undertrained=rare[np.argsort(counts.of_id[rare], kind="stable")],
    )


def _texts(tokenizer: Tokenizer, source: str) -> tuple[Iterable[str], str]:
    """Texts of a source, and what to call them; the documents of a dataset are decoded, and encode to its own ids."""
    if not (Path(source) / "index.json").is_file():
        return sample((document.text for document in shrunk(corpus(source), MOST).documents()), MOST), source
    from glassformer.data.shards import Dataset

    data = Dataset.open(source)
    if data.tokenizer.fingerprint() != tokenizer.fingerprint():
        raise TokenizerError(f"{source} was prepared with another tokenizer: add --tokenizer {source}")
    train = data.train
    documents = (train.tokens[int(a) + 1 : int(b)] for a, b in zip(train.documents, train.documents[1:]))
    return sample((tokenizer.decode(ids.tolist()) for ids in documents), MOST), f"{source} (train)"
