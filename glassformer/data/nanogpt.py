"""Import and export of nanoGPT's data format: `train.bin` and `val.bin`, which hold little-endian uint16 ids and
nothing else.

Such a file does not say which tokenizer its ids belong to. So `export_bin` writes the tokenizer and a few facts beside
it (nanoGPT's own `meta.pkl` is a pickle; none is written or read here), and `import_bin` needs the tokenizer. A
document is what lies between two `<|endoftext|>`, whether the token stands before each document, as here, or after it,
as in nanoGPT's OpenWebText. A dataset that is exported and imported again is the same, id by id.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from glassformer.data import DataConfig
from glassformer.data.index import FORMAT, Index, SplitIndex, checksum, refuse_other_files
from glassformer.data.prepare.writer import SplitWriter
from glassformer.data.shards import Dataset, Split
from glassformer.errors import DatasetError, TokenizerError
from glassformer.system.files import sha256
from glassformer.system.folders import all_or_nothing
from glassformer.system.lock import locked
from glassformer.tokenizers import Tokenizer, TokenizerRecipe, load

FILES = {"train": "train.bin", "validation": "val.bin"}
OURS = (*FILES.values(), "meta.json", "tokenizer.json")
_CHUNK = 1 << 20


def export_bin(dataset: Dataset, folder: str | Path) -> Path:
    """Write `train.bin`, `val.bin`, `tokenizer.json` and `meta.json` for nanoGPT. Returns the folder that they are in.

    An earlier export in the folder is replaced. Raises DatasetError for a vocabulary that uint16 cannot hold, a damaged
    dataset, or a folder with other files in it; GlassError if the disk is full.
    """
    folder = Path(folder)
    if dataset.index.vocab_size > 1 << 16:
        raise DatasetError(
            f"{dataset.folder} has a vocabulary of {dataset.index.vocab_size:,} ids, but nanoGPT's files can only hold ids "
            "below 65,536; prepare it with a smaller tokenizer.vocab_size"
        )
    refuse_other_files(folder, OURS)
    with locked(folder), all_or_nothing(folder) as growing:
        for split in (dataset.train, dataset.validation):
            _write(split, growing / FILES[split.name])
        dataset.tokenizer.save(growing / "tokenizer.json")
        facts = {
            "vocab_size": dataset.index.vocab_size,
            "dtype": "uint16",
            "end_of_text": dataset.tokenizer.end_of_text,
            "tokenizer": dataset.tokenizer.fingerprint(),
            "tokens": {name: getattr(dataset.index, name).tokens for name in FILES},
            "dataset": dataset.index.fingerprint,
        }
        (growing / "meta.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return folder


def import_bin(
    folder: str | Path,
    tokenizer: Tokenizer | None,
    target: str | Path,
    recipe: type[TokenizerRecipe] | None = None,
) -> Dataset:
    """Make the dataset `target` from `train.bin` and `val.bin` in `folder`, whose ids belong to `tokenizer`.

    Without a tokenizer, the folder's own `tokenizer.json` is used, as `export_bin` writes it. `recipe` is the class of
    the tokenizer's recipe, needed only if it is a file of the user's own. Raises DatasetError if a file is missing, is
    not of this format, or holds ids outside the vocabulary, and if `target` has other files in it.
    """
    folder, target = Path(folder), Path(target)
    tokenizer = tokenizer or _own_tokenizer(folder, recipe)
    _refuse_another_tokenizer(folder, tokenizer)
    ids = {name: _map(folder / file) for name, file in FILES.items()}
    refuse_other_files(target)
    with locked(target), all_or_nothing(target) as growing:
        tokenizer.save(growing / "tokenizer.json")
        splits = {name: _read(ids[name], folder / FILES[name], name, tokenizer, growing) for name in FILES}
        hashes = [sha256(folder / file) for file in FILES.values()]
        Index(
            fingerprint=checksum([FORMAT, "nanogpt", tokenizer.fingerprint(), *hashes]),
            source={"name": "nanogpt", "path": str(folder)},
            sources=(f"nanogpt:{folder.resolve().name}",),
            weights=(1.0,),
            split_rule="the ids of val.bin",
            tokenizer=tokenizer.fingerprint(),
            tokenizer_text="trained before",
            vocab_size=tokenizer.vocab_size,
            dtype=tokenizer.dtype.newbyteorder("<").str,
            shard_tokens=DataConfig().shard_tokens,
            train=splits["train"],
            validation=splits["validation"],
            cleaning=(),
            skipped=(),
        ).save(growing / "index.json")
    return Dataset.open(target, recipe)


def _write(split: Split, path: Path) -> None:
    with open(path, "wb") as file:
        for start in range(0, len(split), _CHUNK):
            file.write(split.tokens[start : start + _CHUNK].astype("<u2").data)


def _read(ids: np.ndarray, path: Path, name: str, tokenizer: Tokenizer, folder: Path) -> SplitIndex:
    """Write one split of the dataset in `folder`."""
    end = tokenizer.require_end_of_text()
    writer = SplitWriter(folder, name, tokenizer.dtype, end, DataConfig().shard_tokens)
    n_bytes = np.array([len(piece) for piece in tokenizer.token_bytes])  # (V,)
    n_documents = 0
    for document in _documents(_checked(ids, path, tokenizer), ids, end):
        writer.append(document, sum(int(n_bytes[piece].sum()) for piece in _pieces(document)))
        n_documents += 1
    if not n_documents:
        raise DatasetError(f"{path} holds no text, only separators; write it again, or give another folder")
    return writer.close()


def _checked(ids: np.ndarray, path: Path, tokenizer: Tokenizer) -> Iterator[np.ndarray]:
    """The ids in chunks. Raises DatasetError at an id that the tokenizer does not have."""
    known = np.zeros(1 << 16, bool)
    known[: tokenizer.vocab_size] = True
    for first, last in tokenizer.absent:
        known[first : last + 1] = False
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        if not known[chunk].all():
            at = int(np.argmin(known[chunk]))
            raise DatasetError(
                f"{path}: id {chunk[at]} (at place {start + at:,}) belongs to no token of the tokenizer's vocabulary of "
                f"{tokenizer.vocab_size:,}; give the tokenizer that the file was made with (--tokenizer)"
            )
        yield chunk


def _documents(chunks: Iterator[np.ndarray], ids: np.ndarray, end_of_text: int) -> Iterator[np.ndarray]:
    """The ids between two separators, unless there are none."""
    begin = done = 0
    for chunk in chunks:
        for end in (np.flatnonzero(chunk == end_of_text) + done).tolist():
            if begin < end:
                yield ids[begin:end]
            begin = end + 1
        done += len(chunk)
    if begin < len(ids):
        yield ids[begin:]


def _pieces(document: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(document), _CHUNK):
        yield document[start : start + _CHUNK]


def _map(path: Path) -> np.ndarray:
    """A file of uint16 numbers, memory-mapped. Raises DatasetError."""
    try:
        size = path.stat().st_size
        if size and size % 2 == 0:
            return np.asarray(np.memmap(path, "<u2", mode="r"))
    except OSError as error:
        reason = error.strerror or error
        raise DatasetError(
            f"{path} cannot be read ({reason}); give a folder with {' and '.join(FILES.values())}"
        ) from None
    raise DatasetError(f"{path} has {size:,} bytes and so cannot hold 2-byte ids; download or write it again")


def _own_tokenizer(folder: Path, recipe: type[TokenizerRecipe] | None) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise DatasetError(
            f"{folder} has no tokenizer.json, so nobody knows what its ids mean; give the tokenizer that they were made "
            "with (--tokenizer)"
        )
    try:
        return load(path, recipe)
    except TokenizerError as error:
        raise DatasetError(str(error)) from None


def _refuse_another_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Raises DatasetError if the folder's meta.json names another tokenizer than this one."""
    path = folder / "meta.json"
    if not path.is_file():
        return
    try:
        expected = json.loads(path.read_text(encoding="utf-8"))["tokenizer"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise DatasetError(f"{path} is damaged; export the data again, or delete this file") from None
    if expected != tokenizer.fingerprint():
        raise DatasetError(
            f"{path} says that the ids were made with another tokenizer; give the tokenizer.json in that folder"
        )
