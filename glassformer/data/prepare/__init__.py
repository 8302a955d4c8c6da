"""From a corpus to a dataset folder: read and clean, drop repetitions, hold out, train the tokenizer, write the ids.

Memory is bounded whatever the size of the corpus: text is spooled to disk, and the tokenizer, which learns from
training text only, sees an even sample of it. The folder appears when it is complete. Until then it grows under a
hidden name, with a journal. After a `kill -9` the next call continues where the journal ends and produces the same
bytes; they do not depend on the number of workers either. If the folder holds exactly this dataset already, it is only
opened.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from glassformer.corpora import Corpus
from glassformer.data import DataConfig
from glassformer.data.clean import StepReport, report
from glassformer.data.index import FORMAT, Index, Skip, checksum, refuse_other_files
from glassformer.data.prepare.encoding import Encoding, encode
from glassformer.data.prepare.holdout import HoldOut
from glassformer.data.prepare.journal import NAME as JOURNAL
from glassformer.data.prepare.journal import Journal
from glassformer.data.prepare.preparation import Preparation, Progress, Stage
from glassformer.data.prepare.reading import Reading, read
from glassformer.data.prepare.repetitions import STAYS, Repetitions
from glassformer.data.prepare.spool import Spool, utf8_size
from glassformer.data.shards import Dataset
from glassformer.errors import GlassError
from glassformer.system.folders import unless_interrupted
from glassformer.system.lock import locked
from glassformer.system.threads import cores
from glassformer.system.workers import refuse_to_be_imported_by_a_worker
from glassformer.tokenizers import Tokenizer, TokenizerRecipe, load

__all__ = ["Progress", "evenly", "fingerprint", "prepare"]


def prepare(
    corpus: Corpus,
    tokenizer: TokenizerRecipe | Tokenizer,
    config: DataConfig,
    folder: str | Path,
    progress: Progress = lambda stage, done, total: None,
    fresh: bool = False,
    workers: int | None = None,
) -> Dataset:
    """The dataset of `corpus` in `folder`. It is prepared now unless the folder holds it already; with `fresh` it
    always is.

    A tokenizer recipe is trained on the cleaned training text; a trained tokenizer is used as it is. Another dataset in
    the folder is replaced. An interrupted preparation of the same dataset is continued, unless `fresh`. The work is
    shared by `workers` processes or threads, by default one per core; the bytes do not depend on their number.

    Raises CorpusError, TokenizerError, DatasetError (too little text, a damaged dataset, a folder with other files in
    it) and GlassError (disk full).
    """
    refuse_to_be_imported_by_a_worker()
    if isinstance(tokenizer, Tokenizer):
        tokenizer.require_end_of_text()
    folder, stage = Path(folder), Stage(progress)
    recipe = type(tokenizer) if isinstance(tokenizer, TokenizerRecipe) else None
    key = fingerprint(corpus, tokenizer, config)
    if not fresh and _holds(folder, key):
        return Dataset.open(folder, recipe)
    refuse_other_files(folder)
    with locked(folder, lambda who: stage.say(f"waiting for {who}, which prepares the same dataset")):
        if not fresh and _holds(folder, key):  # another process made it while this one waited
            return Dataset.open(folder, recipe)
        with unless_interrupted(folder, lambda leftover: not fresh and _continues(leftover, key)) as growing:
            if not (growing / "index.json").exists():
                preparation = Preparation(growing, config, Journal(growing, key), stage, workers or cores())
                _make(corpus, tokenizer, key, preparation).save(growing / "index.json")
            for path in (*growing.glob("spool-*"), growing / JOURNAL):  # the journal last: it says what the rest is
                path.unlink(missing_ok=True)
    return Dataset.open(folder, recipe)


def _make(corpus: Corpus, recipe: TokenizerRecipe | Tokenizer, key: str, preparation: Preparation) -> Index:
    """Write every file but the index, which is returned."""
    config, n = preparation.config, len(corpus.sources)
    read_before = preparation.journal.last("reading") or {}
    with contextlib.closing(Spool(preparation.folder, read_before.get("spool"))) as spool:
        reading = read(corpus, spool, preparation)
    repetitions = _repetitions(spool, preparation)
    held_out = HoldOut(spool, repetitions.of == STAYS, config.validation_fraction)
    tokenizer, tokenizer_text = _trained(recipe, held_out, preparation)
    encoding = Encoding(tokenizer, recipe.name)
    return Index(
        fingerprint=key,
        source=corpus.model_dump(),
        sources=corpus.sources,
        weights=corpus.weights,
        split_rule=held_out.rule,
        tokenizer=tokenizer.fingerprint(),
        tokenizer_text=tokenizer_text,
        vocab_size=tokenizer.vocab_size,
        dtype=tokenizer.dtype.newbyteorder("<").str,
        shard_tokens=config.shard_tokens,
        train=encode("train", held_out, spool, encoding, n, preparation),
        validation=encode("validation", held_out, spool, encoding, n, preparation),
        cleaning=_cleaning(reading, repetitions),
        skipped=_sorted(reading.skipped),
        notes=_sorted(reading.notes),
    )


def _repetitions(spool: Spool, preparation: Preparation) -> Repetitions:
    """Which documents are dropped as repetitions. The near ones found are kept for a preparation that continues this
    one."""
    _, config, journal, stage, _ = preparation
    repetitions, path = Repetitions(spool), preparation.folder / "spool-near"
    if config.near_duplicates:
        if journal.last("near duplicates") is None:
            stage.begin("comparing documents")
            repetitions.find_near(config.near_duplicates, path)
            journal.write("near duplicates", documents=len(spool))
            stage.end(spool.n_bytes)
        repetitions.count_near(path)
    return repetitions


def _trained(recipe: TokenizerRecipe | Tokenizer, held_out: HoldOut, preparation: Preparation) -> tuple[Tokenizer, str]:
    """(the tokenizer, what it was trained on in words). The tokenizer is saved in the folder."""
    folder, config, journal, stage, _ = preparation
    path, done = folder / "tokenizer.json", journal.last("tokenizer")
    if done is not None:
        return load(path, type(recipe) if isinstance(recipe, TokenizerRecipe) else None), done["text"]
    if isinstance(recipe, Tokenizer):
        tokenizer, text = recipe, "trained before"
    else:
        sides = ("train", "validation") if recipe.SEES_ALL_TEXT else ("train",)
        n_bytes, megabytes = sum(map(held_out.n_bytes, sides)), config.tokenizer_megabytes
        most = n_bytes if recipe.SEES_ALL_TEXT else int(megabytes * 1e6)
        text = "the training text" if n_bytes <= most else f"an even sample of {megabytes:g} MB of the training text"
        text = "all text, so that every character has an id" if recipe.SEES_ALL_TEXT else text
        texts = (piece.text for name in sides for piece in held_out.pieces(name))
        tokenizer = recipe.train(_told(evenly(texts, n_bytes, most), min(n_bytes, most), stage))
    tokenizer.save(path)
    journal.write("tokenizer", text=text)
    return tokenizer, text


def evenly(texts: Iterable[str], n_bytes: int, most: int) -> Iterator[str]:
    """About `most` bytes of texts that have `n_bytes` bytes in all, evenly spread. No text gives more than 1/64 of
    them."""
    seen = taken = 0
    for text in texts:
        if n_bytes <= most:
            yield text
        elif taken * n_bytes <= seen * most:
            piece = text[: max(1, most // 64)]
            taken += utf8_size(piece)
            yield piece
        seen += utf8_size(text)


def _told(texts: Iterable[str], n_bytes: int, stage: Stage) -> Iterator[str]:
    """The same texts, with progress reported while the tokenizer reads them."""
    done = 0
    stage.begin("training the tokenizer", 0, n_bytes)
    for text in texts:
        yield text
        done += utf8_size(text)
        stage.at(done)
    stage.end(done)


def _cleaning(reading: Reading, repetitions: Repetitions) -> tuple[StepReport, ...]:
    return tuple(report(dict(reading.counts), *repetitions.reports()))


def _sorted(counts: Mapping[str, Sequence[Any]]) -> tuple[Skip, ...]:
    """What was counted by reason, the most frequent first."""
    found = [Skip(reason=reason, count=n, example=first) for reason, (n, first) in counts.items()]
    return tuple(sorted(found, key=lambda skip: -skip.count))


def fingerprint(corpus: Corpus, tokenizer: TokenizerRecipe | Tokenizer, config: DataConfig) -> str:
    """A hash of everything that goes into a dataset, so that the same inputs are not prepared twice.

    It covers the bytes of the user's own files (variants named by a path, a quality model), and not where they stand.
    """
    tokens = (
        {**tokenizer.model_dump(), "name": tokenizer.identity}
        if isinstance(tokenizer, TokenizerRecipe)
        else tokenizer.fingerprint()
    )
    settings = config.model_dump()
    settings["clean"]["quality_model"] = config.clean.files()
    return checksum([FORMAT, corpus.identity, corpus.fingerprint(), tokens, settings])


def _holds(folder: Path, key: str) -> bool:
    """Whether the folder holds the dataset with this fingerprint. Raises DatasetError for a damaged one."""
    return (folder / "index.json").exists() and Index.load(folder / "index.json").fingerprint == key


def _continues(leftover: Path, key: str) -> bool:
    """Whether `leftover` is an interrupted preparation of this dataset, perhaps one that only had to be renamed."""
    try:
        return Journal.continues(leftover, key) or _holds(leftover, key)
    except GlassError:
        return False
