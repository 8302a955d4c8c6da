"""The dataset folder: token ids in memory-mapped files.

    index.json                   what the dataset is, with the size and checksum of every file (data/index.py)
    tokenizer.json               the tokenizer that the ids belong to
    train-00000.bin ...          ids and nothing else: little-endian uint16 (uint32 for vocabularies over 65,536)
    train-documents.bin          little-endian int64: where each document starts and, at the end, where the last one ends
    train-sources.bin            uint8: which source of a mixture each document is from (only if there are several)
    validation-00000.bin ...     the same for the held-out split
    validation-documents.bin ...

A split is one long sequence of ids, cut into files ("shards") of `shard_tokens` ids, also within documents, so id i is
in file i // shard_tokens. Every document begins with `<|endoftext|>`, so a model that is given only that token begins a
new text.

The files are memory-mapped: opening 100 GB is as fast as opening 1 MB, and only the pages that are read take memory.
Sizes are checked when a dataset is opened, ids at every read (an id outside the vocabulary would crash the embedding,
far from the cause), and checksums by `verify`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from glassformer.data.index import Index, SplitIndex, damaged
from glassformer.errors import DatasetError, TokenizerError
from glassformer.system.files import sha256
from glassformer.tokenizers import TokenizerRecipe, load


class Tokens:
    """All ids of a split as one read-only sequence: `tokens[a:b]` is an array, also across the border of two shards."""

    def __init__(self, shards: Sequence[np.ndarray], shard_tokens: int, vocab_size: int, where: str) -> None:
        self._shards, self._shard_tokens = shards, shard_tokens
        self._vocab_size, self._where = vocab_size, where
        self._length = sum(map(len, shards))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, span: slice) -> np.ndarray:
        """Ids in the split's own dtype; a view of the mapped file where that is possible. Raises DatasetError."""
        start, stop, _ = span.indices(self._length)
        ids = self._slice(start, stop)
        if len(ids) and ids.max() >= self._vocab_size:
            raise self._damage(start + int(np.argmax(ids >= self._vocab_size)))
        return ids

    def windows(self, starts: np.ndarray, length: int) -> np.ndarray:
        """(n, length) int64: the ids from each of n starts. Raises DatasetError."""
        windows = np.empty((len(starts), length), np.int64)
        for row, start in zip(windows, starts.tolist()):
            row[:] = self._slice(start, start + length)
        if windows.size and windows.max() >= self._vocab_size:
            row, column = np.argwhere(windows >= self._vocab_size)[0]
            raise self._damage(int(starts[row]) + int(column))
        return windows

    def _slice(self, start: int, stop: int) -> np.ndarray:
        if start >= stop:
            return self._shards[0][:0]
        number, begin = divmod(start, self._shard_tokens)
        part = self._shards[number][begin : begin + stop - start]
        rest = start + len(part)
        return part if rest == stop else np.concatenate([part, self._slice(rest, stop)])

    def _damage(self, position: int) -> DatasetError:
        return damaged(f"{self._where}: id {position} is outside the vocabulary of {self._vocab_size}")


class Split:
    """A long sequence of ids, and where its documents begin. Samplers read it.

    >>> split = Split.of([5, 3, 8, 1, 3, 9])
    >>> Windows().build(split, context_length=4, batch_size=2, seed=0)(step=0).ids.shape
    torch.Size([2, 4])
    """

    def __init__(
        self, name: str, tokens: Tokens, documents: np.ndarray, sources: np.ndarray, separator: int | None = None,
        where: str = "",
    ) -> None:  # fmt: skip
        self.name, self.tokens = name, tokens
        self.documents = documents
        """(n_documents + 1,) int64: document i is `tokens[documents[i] : documents[i + 1]]`."""
        self.sources = sources
        """(n_documents,) uint8: which of a mixture's sources each document is from."""
        self.where = where or name
        """What error messages call it."""
        self._separator = separator

    @property
    def separator(self) -> int | None:
        """The id between documents, which the last token of a document has to predict; None if there is none."""
        return self._separator

    @classmethod
    def of(cls, ids: ArrayLike, separator: int | None = None) -> "Split":
        """A split over a list or array of ids, without a dataset folder. A document begins at every `separator`;
        without a separator all ids are one document. Raises ValueError if `ids` is not a sequence of ids.
        """
        array = np.asarray(ids)
        if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu" or array.min() < 0:
            raise ValueError(f"ids must be one row of integers from 0 up, not {array.dtype} of shape {array.shape}")
        starts = [] if separator is None else np.flatnonzero(array == separator).tolist()
        documents = np.unique(np.array([0, *starts, len(array)], np.int64))
        tokens = Tokens([array], len(array), int(array.max()) + 1, "the array of ids")
        sources = np.broadcast_to(np.uint8(0), len(documents) - 1)
        return cls("the array of ids", tokens, documents, sources, separator)

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self.tokens)

    @property
    def n_documents(self) -> int:
        """Number of documents."""
        return len(self.documents) - 1

    def __repr__(self) -> str:
        return f"<{self.where}: {len(self):,} tokens>"


class DatasetSplit(Split):
    """The train or validation part of a dataset folder. Every document begins with the separator."""

    def __init__(self, folder: Path, name: str, index: Index) -> None:
        self.folder = folder
        self.index: SplitIndex = getattr(index, name)
        shards = [
            _map(shard_file(folder, name, i), index.dtype, shard.tokens) for i, shard in enumerate(self.index.shards)
        ]
        full = [index.shard_tokens] * (len(shards) - 1)
        if [len(shard) for shard in shards[:-1]] != full or sum(map(len, shards)) != self.index.tokens:
            raise damaged(f"{folder}: the shards of the {name} split do not add up")
        super().__init__(
            name,
            Tokens(shards, index.shard_tokens, index.vocab_size, f"{folder} ({name})"),
            _map(documents_file(folder, name), "<i8", self.index.documents + 1),
            _sources(folder, name, self.index),
            where=f"the {name} split of {folder}",
        )

    @property
    def separator(self) -> int:
        """The first id: every document begins with it."""
        return int(self.tokens[:1][0])

    def verify(self) -> None:
        """Read everything and compare checksums. Raises DatasetError."""
        files = {shard_file(self.folder, self.name, i): shard.sha256 for i, shard in enumerate(self.index.shards)}
        files[documents_file(self.folder, self.name)] = self.index.documents_sha256
        if len(self.index.sources) > 1:
            files[sources_file(self.folder, self.name)] = self.index.sources_sha256
        for path, expected in files.items():
            if sha256(path) != expected:
                raise damaged(f"{path} has changed since it was written (its checksum differs)")


class Dataset:
    """An open dataset folder. `data.prepare` makes such folders.

    >>> dataset = Dataset.open("data/village")
    >>> first, second = dataset.train.documents[:2]
    >>> dataset.tokenizer.decode(dataset.train.tokens[first + 1 : second])
    'Nora had a red kite. ...'
    """

    def __init__(self, folder: Path, recipe: type[TokenizerRecipe] | None = None) -> None:
        self.folder = Path(folder)
        self.index = Index.load(self.folder / "index.json")
        try:
            self.tokenizer = load(self.folder / "tokenizer.json", recipe)
        except TokenizerError as error:
            raise damaged(f"{self.folder / 'tokenizer.json'} is missing or damaged") from error
        if (self.tokenizer.fingerprint(), self.tokenizer.vocab_size) != (self.index.tokenizer, self.index.vocab_size):
            raise damaged(f"{self.folder / 'tokenizer.json'} is not the tokenizer that the ids were made with")
        self.train = DatasetSplit(self.folder, "train", self.index)
        self.validation = DatasetSplit(self.folder, "validation", self.index)

    @classmethod
    def open(cls, folder: str | Path, recipe: type[TokenizerRecipe] | None = None) -> "Dataset":
        """Open a dataset and check the sizes of all files, without reading the ids. Raises DatasetError.

        `recipe` is the class of the tokenizer's recipe, needed only if it is a file of the user's own.
        """
        return cls(Path(folder), recipe)

    def verify(self) -> None:
        """Read every file and compare its checksum, which takes about a second per gigabyte. Raises DatasetError."""
        self.train.verify()
        self.validation.verify()

    def summary(self) -> dict[str, Any]:
        """The facts that a run keeps about its dataset, as plain JSON values."""
        kept = {
            "fingerprint", "source", "sources", "weights", "split_rule", "tokenizer", "tokenizer_text", "vocab_size",
            "cleaning", "skipped", "notes",
        }  # fmt: skip
        sizes = {name: {"documents", "tokens", "bytes", "sources"} for name in ("train", "validation")}
        without = {"cleaning": {"__all__": {"examples"}}}
        facts = self.index.model_dump(mode="json", include=dict.fromkeys(kept, True) | sizes, exclude=without)
        return {"folder": str(self.folder), **facts}


def shard_file(folder: Path, split: str, number: int) -> Path:
    return folder / f"{split}-{number:05d}.bin"


def documents_file(folder: Path, split: str) -> Path:
    return folder / f"{split}-documents.bin"


def sources_file(folder: Path, split: str) -> Path:
    return folder / f"{split}-sources.bin"


def _sources(folder: Path, split: str, index: SplitIndex) -> np.ndarray:
    """(n_documents,) uint8 from the file of sources. With a single source there is no file; all are 0 and take no
    memory."""
    if len(index.sources) == 1:
        return np.broadcast_to(np.uint8(0), index.documents)
    sources, counts = _map(sources_file(folder, split), "u1", index.documents), np.zeros(256, np.int64)
    for start in range(0, len(sources), 1 << 20):
        counts += np.bincount(sources[start : start + (1 << 20)], minlength=256)
    named = [each.documents for each in index.sources]
    if counts.tolist() != named + [0] * (256 - len(named)):
        raise damaged(f"{sources_file(folder, split)} does not agree with the numbers of documents in index.json")
    return sources


def _map(path: Path, dtype: str, length: int) -> np.ndarray:
    """A file of exactly `length` numbers, memory-mapped and read-only. Raises DatasetError."""
    expected = length * np.dtype(dtype).itemsize
    try:
        size = path.stat().st_size
        if size != expected:
            raise damaged(f"{path} has {size:,} bytes instead of {expected:,}")
        return np.asarray(np.memmap(path, dtype, mode="r"))
    except OSError as error:
        raise damaged(f"{path} cannot be read ({error.strerror or error})") from None
