"""The dataset that a run was trained on, wherever it stands now.

`run.json` names it by its fingerprint, a hash of the text and of all settings that made it, and says where it was. A folder
with that fingerprint is that dataset, in whatever place; the text itself is then not needed any more. If there is none, the
dataset is prepared again, and the fingerprint shows whether the text is still the same.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from glassformer.corpora import corpus
from glassformer.data.index import Index
from glassformer.data.prepare import Progress, fingerprint, prepare
from glassformer.data.shards import Dataset
from glassformer.errors import CorpusError, DatasetError, GlassError
from glassformer.recipes.build import Say, dataset, is_dataset, stem
from glassformer.recipes.presets import Recipe
from glassformer.runs.checkpoint import Checkpoint
from glassformer.runs.run import Run
from glassformer.system.command import typed
from glassformer.tokenizers import TokenizerRecipe


def trained_on(run: Run, recipe: Recipe, progress: Progress = lambda *told: None) -> Dataset:
    """The dataset of a run, opened where it is found or prepared again. Raises GlassError if it cannot be had.

    `recipe` is the run's, whose `corpus.path` may say where the text stands now.
    """
    key = _fingerprint(run)
    if (folder := place_of(run)) is not None:
        return Dataset.open(folder, type(recipe.tokenizer) if recipe.tokenizer.name.endswith(".py") else None)
    place = f"the dataset of {run.folder} ({run.fact('dataset', 'folder')}) is not there"
    try:
        data = dataset(recipe, progress)
    except CorpusError as error:
        raise DatasetError(
            f"{place}, and its text cannot be read again ({error}); bring one of them back, or say where the text is with "
            f"`{typed('resume', run.folder, 'corpus.path=PLACE')}`"
        ) from None
    if data.index.fingerprint != key:
        raise DatasetError(
            f"{place}, and its text has changed since the run was started; bring back the old text or the dataset, or "
            "start a new run"
        )
    return data


def place_of(run: Run) -> Path | None:
    """The folder of a run's dataset, if it is where it was, or beside the run as it was, or anywhere in data/."""
    key = _fingerprint(run)
    return next((folder for folder in _places(run) if _is(folder, key)), None)


def says_when_changed(run: Run, recipe: Recipe, data: Dataset, say: Say) -> None:
    """Says so if the text of a run is not any more what its dataset holds: the run goes on with the dataset."""
    if is_dataset(recipe.corpus):
        return
    with contextlib.suppress(GlassError):  # no text, no change
        if fingerprint(recipe.corpus, recipe.tokenizer, recipe.data) != data.index.fingerprint:
            what = getattr(recipe.corpus, "path", f"the text {stem(recipe)}")
            say(f"{what} has changed since; the run goes on with {data.folder}, which holds the old text")


def read_by(saved: Checkpoint, recipe: Recipe, source: str, progress: Progress) -> tuple[Recipe, Dataset]:
    """(the recipe with this source, its dataset in the ids of the checkpoint's tokenizer): any text for any model."""
    recipe, tokenizer = recipe.model_copy(update={"corpus": corpus(source)}), saved.tokenizer()
    folder = Path("data") / f"{stem(recipe)}-{fingerprint(recipe.corpus, tokenizer, recipe.data)[:8]}"
    return recipe, prepare(recipe.corpus, tokenizer, recipe.data, folder, progress)


def tokenizer_recipe(recipe: dict[str, Any]) -> type[TokenizerRecipe] | None:
    """The class of the tokenizer's recipe, if that is a file of the user's own, from a recipe as plain values."""
    name = str((recipe.get("tokenizer") or {}).get("name", ""))
    return type(TokenizerRecipe.named(name)) if name.endswith(".py") else None


def _fingerprint(run: Run) -> str:
    if "imported" in run.facts():
        raise DatasetError(
            f"{run.folder} was imported and has no text of its own; name one, as in "
            f"`{typed('eval', run.folder, 'my_book.txt')}`"
        )
    return str(run.fact("dataset", "fingerprint"))


def _places(run: Run) -> Iterator[Path]:
    was = Path(str(run.fact("dataset", "folder")))
    yield was
    for parent in run.folder.resolve().parents:  # the run and its dataset were copied together
        yield parent / was
    yield from (path.parent for path in sorted(Path("data").glob("*/index.json")))


def _is(folder: Path, key: str) -> bool:
    try:
        return Index.load(folder / "index.json").fingerprint == key
    except (GlassError, OSError):
        return False
