"""From a corpus to a dataset folder: read and clean, hold out, train the tokenizer, write the ids.

Memory is bounded whatever the size of the corpus: text passes through a spool on disk, and the tokenizer, which sees
training text only, sees an even sample of it. The folder appears when it is complete: a `kill -9` or a full disk leaves
what was there before. A folder that holds exactly this dataset already is opened and nothing is done.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from glassformer.corpora import Corpus, Skipped
from glassformer.data import DataConfig
from glassformer.data.clean import Cleaner, StepReport, dropped, report
from glassformer.data.holdout import SPLITS, HoldOut
from glassformer.data.index import FORMAT, Index, Skip, SplitIndex, checksum
from glassformer.data.shards import Dataset
from glassformer.data.spool import Spool
from glassformer.data.writer import SplitWriter
from glassformer.errors import DatasetError
from glassformer.folders import all_or_nothing, one_at_a_time
from glassformer.tokenizers import Tokenizer, TokenizerRecipe, well_formed

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, the text done (in bytes, about), and None; at a stage's end with the total twice."""


def prepare(
    corpus: Corpus,
    tokenizer: TokenizerRecipe | Tokenizer,
    config: DataConfig,
    folder: str | Path,
    progress: Progress = lambda stage, done, total: None,
    fresh: bool = False,
) -> Dataset:
    """The dataset of `corpus` in `folder`: made now, unless it is there already (`fresh` makes it anew all the same).

    A tokenizer recipe is trained on the cleaned training text; a trained tokenizer is used as it is. Another dataset in
    the folder is replaced. Raises CorpusError, TokenizerError, DatasetError (too little text, a damaged dataset, a
    folder with other things in it), GlassError (disk full).
    """
    folder = Path(folder)
    recipe = type(tokenizer) if isinstance(tokenizer, TokenizerRecipe) else None
    key = fingerprint(corpus, tokenizer, config)
    if not fresh and _holds(folder, key):
        return Dataset.open(folder, recipe)
    _refuse_to_replace_other_things(folder)
    with one_at_a_time(folder):
        if not fresh and _holds(folder, key):  # another process made it while we waited
            return Dataset.open(folder, recipe)
        with all_or_nothing(folder) as growing:
            spool = Spool(growing / "spool")
            cleaner, skipped = _read(corpus, spool, config, progress)
            held_out = HoldOut(spool, config.validation_fraction)
            if isinstance(tokenizer, TokenizerRecipe):
                sample = evenly(held_out.texts("train"), int(spool.sizes.sum()), int(config.tokenizer_megabytes * 1e6))
                tokenizer = tokenizer.train(_told(sample, "training the tokenizer", progress))
            tokenizer.save(growing / "tokenizer.json")
            index = Index(
                fingerprint=key,
                source=corpus.model_dump(),
                sources=corpus.sources,
                weights=corpus.weights,
                tokenizer_text="an even sample of the training text",
                split_rule=held_out.rule,
                tokenizer=tokenizer.fingerprint(),
                vocab_size=tokenizer.vocab_size,
                dtype=tokenizer.dtype.newbyteorder("<").str,
                shard_tokens=config.shard_tokens,
                train=_encode("train", held_out, tokenizer, config, growing, progress, len(corpus.sources)),
                validation=_encode("validation", held_out, tokenizer, config, growing, progress, len(corpus.sources)),
                cleaning=_cleaning(cleaner, spool, held_out),
                skipped=skipped,
            )
            (growing / "spool").unlink()
            index.save(growing / "index.json")
    return Dataset.open(folder, recipe)


def evenly(texts: Iterable[str], n_bytes: int, most: int) -> Iterator[str]:
    """About `most` bytes from texts of `n_bytes` bytes in all, spread evenly; no text gives more than 1/64 of them."""
    seen = taken = 0
    for text in texts:
        if n_bytes <= most:
            yield text
        elif taken * n_bytes <= seen * most:
            piece = text[: max(1, most // 64)]
            taken += len(piece.encode())
            yield piece
        seen += len(text.encode())


def _read(corpus: Corpus, spool: Spool, config: DataConfig, progress: Progress) -> tuple[Cleaner, tuple[Skip, ...]]:
    """Fill the spool with clean documents; what was done to them, and what could not be read."""
    cleaner, reasons, examples = Cleaner(config.clean), Counter(), {}
    done = told = 0
    for document in corpus.documents():
        if isinstance(document, Skipped):
            reasons[document.reason] += 1
            examples.setdefault(document.reason, str(document))
        elif text := cleaner(well_formed(document.text), document.origin):
            done += spool.append(text, SPLITS[document.split])
            if done - told >= 1 << 18:
                progress("reading", told := done, None)
    if not len(spool):
        raise DatasetError("the corpus has no text: every document is blank or could not be read; give another source")
    spool.finish()
    progress("reading", done, done)
    return cleaner, tuple(Skip(reason=name, count=n, example=examples[name]) for name, n in reasons.most_common())


def _encode(
    name: str, held_out: HoldOut, tokenizer: Tokenizer, config: DataConfig, folder: Path, progress: Progress, n: int
) -> SplitIndex:
    """Write one split's shards."""
    writer = SplitWriter(folder, name, tokenizer.dtype, tokenizer.end_of_text, config.shard_tokens, n)
    sizes: deque[int] = deque()

    def texts() -> Iterator[str]:
        for text in _told(held_out.texts(name), f"encoding {name}", progress):
            sizes.append(len(text.encode()))
            yield text

    for ids in tokenizer.encode_array(texts()):
        writer.append(ids, sizes.popleft())
    return writer.close()


def _told(texts: Iterable[str], stage: str, progress: Progress) -> Iterator[str]:
    """The same texts; `progress` hears of them every quarter of a megabyte."""
    done = told = 0
    for text in texts:
        yield text
        done += len(text)
        if done - told >= 1 << 18:
            progress(stage, told := done, None)
    progress(stage, done, done)


def _cleaning(cleaner: Cleaner, spool: Spool, held_out: HoldOut) -> tuple[StepReport, ...]:
    repeated = ~held_out.distinct
    return tuple(report(cleaner.take(), dropped(int(repeated.sum()), int(spool.characters[repeated].sum()))))


def fingerprint(corpus: Corpus, tokenizer: TokenizerRecipe | Tokenizer, config: DataConfig) -> str:
    """A hash of all that goes into a dataset: the same inputs have the same one, and need not be prepared twice."""
    tokens = tokenizer.model_dump() if isinstance(tokenizer, TokenizerRecipe) else tokenizer.fingerprint()
    return checksum([FORMAT, corpus.name, corpus.fingerprint(), tokens, config.model_dump()])


def _holds(folder: Path, key: str) -> bool:
    """Whether the dataset with this fingerprint is there. Raises DatasetError for a damaged one."""
    return (folder / "index.json").exists() and Index.load(folder / "index.json").fingerprint == key


def _refuse_to_replace_other_things(folder: Path) -> None:
    """Raises DatasetError unless all that replacing `folder` can lose is a dataset."""
    ours = ("index.json", "tokenizer.json", "train-", "validation-")
    others = [path.name for path in folder.iterdir() if not path.name.startswith(ours)] if folder.is_dir() else []
    if others or folder.is_file():
        there = f"has other things in it ({others[0]})" if others else "is a file"
        raise DatasetError(f"{folder} {there}, so no dataset is written there; name another folder")
