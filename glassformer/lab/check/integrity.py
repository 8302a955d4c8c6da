"""Whether a dataset is what its index says, byte by byte, and whether ids, tokenizer and run belong together.

`Dataset.open` stops at the first fault, and so does every read of ids. Here the files are read without these guards, so
that one check reports all faults and where they are.
"""

import hashlib
from pathlib import Path

import numpy as np

from glassformer.data.index import Index, Shard, SplitIndex
from glassformer.data.shards import Dataset, documents_file, shard_file
from glassformer.errors import TokenizerError
from glassformer.lab.check import MOST_PLACES, Finding, Place
from glassformer.lab.check.hashes import document_of
from glassformer.runs.run import Run
from glassformer.system.command import typed
from glassformer.system.files import sha256
from glassformer.tokenizers import TokenizerRecipe, load

BLOCK = 1 << 22  # ids


def again() -> str:
    """The remedy for a dataset that cannot be repaired."""
    return f"Prepare it again from its source with `{typed('prepare', 'SOURCE', '--fresh')}`."


def damage(folder: Path, index: Index, recipe: type[TokenizerRecipe] | None = None) -> list[Finding]:
    """All faults that keep the dataset from being read. If there are none, `Dataset.open` succeeds and no read fails.

    `recipe` is the class of the tokenizer's recipe, needed only if it is a file of the user's own.
    """
    found = _tokenizer(folder, index, recipe)
    for name in ("train", "validation"):
        split: SplitIndex = getattr(index, name)
        starts, more = _documents(folder, name, split)
        found += more
        position = 0
        for number, shard in enumerate(split.shards):
            path = shard_file(folder, name, number)
            found += _shard(path, index, shard, position, starts)
            position += shard.tokens
        if position != split.tokens:
            found.append(_error(f"the shards of {name} have {position:,} ids, but the index says {split.tokens:,}"))
    return found


def separators(data: Dataset) -> list[Finding]:
    """Documents that do not begin with the separator, and documents that have a separator inside."""
    found = []
    for split in (data.train, data.validation):
        starts = np.asarray(split.documents)[:-1]
        missing, inside = [], []
        for first in range(0, len(split), BLOCK):
            ids = split.tokens[first : first + BLOCK]
            begins = starts[slice(*np.searchsorted(starts, [first, first + BLOCK]))]
            missing.append(begins[ids[begins - first] != data.tokenizer.end_of_text])
            marks = np.flatnonzero(ids == data.tokenizer.end_of_text) + first
            inside.append(np.setdiff1d(marks, begins, assume_unique=True))
        for positions, what, why in (
            (np.concatenate(missing), "do not begin with <|endoftext|>", "A model cannot tell where they start"),
            (np.concatenate(inside), "have <|endoftext|> inside", "A model takes each of them for several documents"),
        ):
            if numbers := np.unique(document_of(split, positions)).tolist():
                places = tuple(Place(f"{split.name} document {number:,}") for number in numbers[:MOST_PLACES])
                what = f"{len(numbers):,} of {len(starts):,} documents of {split.name} {what}"
                found.append(Finding("error", "integrity", what, f"{why}: prepare the dataset again.", places))
    return found


def of_run(data: Dataset, run: Run, recipe: type[TokenizerRecipe] | None = None) -> list[Finding]:
    """Whether the model of a run was trained on this dataset, as it is now, and with its tokenizer."""
    found = []
    known = (run.facts().get("dataset") or {}).get("fingerprint")
    if known not in (None, data.index.fingerprint):
        found.append(_error(
            f"{data.folder} is no longer the dataset that {run.folder} was trained on",
            "Prepare the dataset again from the old text, or train a new run.",
        ))  # fmt: skip
    for path in sorted(run.folder.glob("checkpoints/*/tokenizer.json"))[-1:]:
        try:
            other = load(path, recipe).fingerprint()
        except TokenizerError as error:
            found.append(_error(
                f"the newest checkpoint is damaged: {error}",
                f"Delete {path.parent} and continue the run with `{typed('resume', run.folder)}`.",
            ))  # fmt: skip
            continue
        if other != data.index.tokenizer:
            found.append(_error(
                f"the model of {run.folder} was trained with another tokenizer ({other[:12]}...) than the one of "
                f"{data.folder} ({data.index.tokenizer[:12]}...), so the same ids mean other text to it",
                "Train a new run on this dataset.", Place(str(path)),
            ))  # fmt: skip
    return found


def _tokenizer(folder: Path, index: Index, recipe: type[TokenizerRecipe] | None) -> list[Finding]:
    path = folder / "tokenizer.json"
    try:
        tokenizer = load(path, recipe)
    except TokenizerError as error:
        return [_error(str(error))]
    if tokenizer.fingerprint() == index.tokenizer and tokenizer.vocab_size == index.vocab_size:
        return []
    return [_error(
        f"{path} is not the tokenizer that the ids were made with: its hash is {tokenizer.fingerprint()[:12]}..., "
        f"with {tokenizer.vocab_size:,} ids, and the index says {index.tokenizer[:12]}..., with {index.vocab_size:,}",
        f"Restore the right tokenizer.json from a copy. Or: {again()}",
    )]  # fmt: skip


def _documents(folder: Path, name: str, split: SplitIndex) -> tuple[np.ndarray | None, list[Finding]]:
    """(where the documents of a split start, what is wrong with that file). The first is None if anything is wrong."""
    path = documents_file(folder, name)
    if not path.is_file() or path.stat().st_size != 8 * (split.documents + 1):
        size = f"has {path.stat().st_size:,} bytes" if path.is_file() else "is missing"
        expected = 8 * (split.documents + 1)
        return None, [_error(f"{path} {size}; for {split.documents:,} documents it must have {expected:,} bytes")]
    starts = np.memmap(path, "<i8", mode="r")
    found = []
    if sha256(path) != split.documents_sha256:
        found.append(_error(f"{path} has changed since it was written (its checksum differs)"))
    if starts[0] != 0 or starts[-1] != split.tokens:
        ends = f"{starts[0]:,} to {starts[-1]:,}"
        found.append(_error(f"{path}: the documents go from {ends}, but the ids go from 0 to {split.tokens:,}"))
    backwards = np.flatnonzero(np.diff(starts) < 1)
    if len(backwards):
        where = tuple(Place(f"document {number:,}") for number in backwards[:MOST_PLACES].tolist())
        found.append(_error(f"{path}: {len(backwards):,} documents end before they begin", again(), *where))
    return (None if found else starts), found


def _shard(path: Path, index: Index, shard: Shard, position: int, starts: np.ndarray | None) -> list[Finding]:
    """What is wrong with one file of ids. Its first id is number `position` of the split."""
    dtype = np.dtype(index.dtype)
    size = path.stat().st_size if path.is_file() else -1
    if size != shard.tokens * dtype.itemsize:
        there = f"has {size:,} bytes" if size >= 0 else "is missing"
        expected = shard.tokens * dtype.itemsize
        return [_error(f"{path} {there}; for {shard.tokens:,} ids it must have {expected:,} bytes")]
    ids, digest = np.memmap(path, dtype, mode="r"), hashlib.sha256()
    wrong, places = 0, []
    for first in range(0, len(ids), BLOCK):
        block = ids[first : first + BLOCK]
        digest.update(block.tobytes())
        outside = np.flatnonzero(block >= index.vocab_size) + first
        wrong += len(outside)
        for place in outside[: MOST_PLACES - len(places)].tolist():
            document = "" if starts is None else f", document {np.searchsorted(starts, position + place, 'right') - 1:,}"
            places.append(Place(f"position {place:,} of the file{document}: id {ids[place]:,}"))
    found = []
    if digest.hexdigest() != shard.sha256:
        found.append(_error(f"{path} has changed since it was written (its checksum differs)"))
    if wrong:
        what = f"{path}: {wrong:,} ids are outside the vocabulary of {index.vocab_size:,}"
        found.append(_error(what, again(), *places))
    return found


def _error(what: str, remedy: str | None = None, *places: Place) -> Finding:
    return Finding("error", "integrity", what, remedy or again(), places)
