"""`index.json`: what a prepared dataset is, where it came from, and how to check that it is complete.

A person reads it to learn what happened to the text (`cleaning`, `skipped`, `split_rule`); `shards` reads it to open
the files. It holds a checksum of itself, so that a changed digit is noticed, and counts that must agree are compared.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from glassformer.config import Config
from glassformer.data.clean import StepReport
from glassformer.errors import DatasetError, GlassError
from glassformer.system.command import typed
from glassformer.system.files import write_atomic
from glassformer.tokenizers import LARGEST_VOCABULARY

FORMAT = "glassformer dataset 2"
LARGEST_INDEX = 64 << 20  # bytes
FILES = ("index.json", "tokenizer.json", "train-", "validation-")
"""What the names of a dataset's files begin with."""


class Shard(Config):
    """One file of ids."""

    tokens: int = Field(ge=1)
    sha256: str


class Component(Config):
    """How much of a split came from one source of a mixture."""

    documents: int = Field(ge=0)
    tokens: int = Field(ge=0)
    """Ids, including the separator before each document."""
    bytes: int = Field(ge=0)
    """UTF-8 bytes of the text that these ids stand for."""


class SplitIndex(Config):
    """The train or the validation part."""

    documents: int = Field(ge=1)
    tokens: int = Field(ge=1)
    bytes: int = Field(ge=0)
    shards: tuple[Shard, ...]
    documents_sha256: str
    sources: tuple[Component, ...]
    """The part of each of `Index.sources`; together they make the three numbers above."""
    sources_sha256: str = ""
    """The checksum of `train-sources.bin`, which exists if there is more than one source."""

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes of text for each id."""
        return self.bytes / self.tokens

    @property
    def tokens_per_document(self) -> float:
        """The mean length of a document, its separator included."""
        return self.tokens / self.documents

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        for what in ("documents", "tokens", "bytes"):
            if sum(getattr(source, what) for source in self.sources) != getattr(self, what):
                raise ValueError(f"the {what} of the sources do not add up to the {what} of the split")
        return self


class Skip(Config):
    """Texts that could not be read, or that something should be known about, all for the same reason."""

    reason: str
    count: int
    example: str


class Index(Config):
    """`index.json`."""

    format: str = FORMAT
    fingerprint: str
    """A hash of everything that went in (corpus, settings, tokenizer), so that the same inputs are not prepared
    twice."""
    source: dict[str, Any]
    """The corpus and its settings."""
    sources: tuple[str, ...] = Field(min_length=1, max_length=256)
    """The names of the mixture's sources; a plain corpus has one."""
    weights: tuple[Annotated[float, Field(ge=0, le=1)], ...]
    """The share of training that each source should get. The dataset holds all documents; samplers keep to the
    shares."""
    split_rule: str
    """What is held out for validation, in words: "10% of the documents, chosen by a hash of their text"."""
    tokenizer: str
    """The tokenizer's fingerprint."""
    tokenizer_text: str
    """What text the tokenizer was trained on, in words."""
    vocab_size: int = Field(ge=1, le=LARGEST_VOCABULARY)
    dtype: str = Field(pattern="^<u[24]$")
    shard_tokens: int = Field(ge=1)
    train: SplitIndex
    validation: SplitIndex
    cleaning: tuple[StepReport, ...]
    skipped: tuple[Skip, ...]
    """What could not be read. These counts and those of `cleaning` add up to everything that was found."""
    notes: tuple[Skip, ...] = ()
    """What a person should know about documents that were read."""

    @model_validator(mode="after")
    def _sources_agree(self) -> Self:
        n = len(self.sources)
        if not n == len(self.weights) == len(self.train.sources) == len(self.validation.sources):
            raise ValueError("the numbers of sources and of their weights differ")
        return self

    def save(self, path: Path) -> None:
        """Write the JSON, with its own checksum as the last key."""
        tree = self.model_dump()
        write_atomic(path, json.dumps({**tree, "sha256": checksum(tree)}, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Index":
        """Read an index. Raises DatasetError if there is none, or if it is not what `save` wrote."""
        if not path.is_file():
            raise DatasetError(f"there is no prepared dataset in {path.parent}; make one with `{typed('prepare')}`")
        try:
            if path.stat().st_size > LARGEST_INDEX:
                raise damaged(f"{path} is too large to be the index of a dataset")
            tree = json.loads(path.read_bytes())
            stored = tree.pop("sha256")
        except (OSError, ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
            raise damaged(f"{path} is not the index of a dataset ({type(error).__name__})") from None
        if tree.get("format") != FORMAT:
            raise damaged(f"{path} is not in the format '{FORMAT}'")
        if stored != checksum(tree):
            raise damaged(f"{path} was changed after it was written")
        try:
            return cls.parse(tree)
        except GlassError as error:
            raise damaged(f"{path} is not the index of a dataset ({error})") from None


def checksum(tree: Any) -> str:
    """The SHA-256 of a tree of plain values, written as JSON with sorted keys and no spaces."""
    return hashlib.sha256(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def damaged(what: str) -> DatasetError:
    """The error for a dataset that is no longer as it was written."""
    return DatasetError(f"{what}; prepare it again from its source with `{typed('prepare', 'SOURCE', '--fresh')}`")


def refuse_other_files(folder: Path, ours: tuple[str, ...] = FILES) -> None:
    """Raises DatasetError if `folder` is a file, or holds anything whose name does not begin with one of `ours`: a
    folder that is replaced must not take other files with it."""
    others = [path.name for path in folder.iterdir() if not path.name.startswith(ours)] if folder.is_dir() else []
    if others or folder.is_file():
        there = f"has other files in it ({others[0]})" if others else "is a file"
        raise DatasetError(f"{folder} {there}, so nothing is written there; give another folder")
