"""Reads the words of a command that name a recipe: `glass train [SOURCE] [SETTING=VALUE]... --recipe NAME`."""

from collections.abc import Iterable
from pathlib import Path

from glassformer.config import suggestion, variants
from glassformer.corpora import Corpus, corpus, is_mixture
from glassformer.errors import GlassError, SettingError
from glassformer.recipes.build import is_dataset
from glassformer.recipes.presets import Recipe, named, presets
from glassformer.runs import checkpoint
from glassformer.runs.run import Run, no_run
from glassformer.system.command import typed


def recipe_of(name: str, source: str | None, settings: list[str] | None) -> Recipe:
    """The recipe `name` reading `source`, with settings applied. Raises SettingError, CorpusError.

    A source that names the recipe's own corpus (`village` for `village_mini`) keeps what the recipe says of it.
    """
    source, settings = split(source, settings)
    recipe = named(name)
    if source in presets() and source not in variants(Corpus) and not Path(source).exists():
        raise SettingError(f"'{source}' is a recipe and no text; write {typed('train', 'TEXT')} --recipe {source}")
    if source is not None and not _names(source, recipe.corpus):
        recipe = recipe.model_copy(update={"corpus": corpus(source)})
    changed = recipe.override(*settings)
    refuse_without_effect(changed, settings)
    return changed


def _names(source: str, kind: Corpus) -> bool:
    """Whether a source is the name of this kind of corpus, and no file or folder."""
    return kind.is_called(source) and not Path(source).exists()


def recipe_or_run(name: str, settings: list[str] | None, base: str = "mini") -> Recipe:
    """The recipe `name`, or that of the run in the folder `name`, or `base` reading the text `name`, with settings applied.
    Raises GlassError.

    A first word with `=` is a setting of `base`, as in `glass train`.
    """
    source, settings = split(name, settings)
    if source is None:
        return recipe_of(base, None, settings)
    if name in presets():
        return recipe_of(name, None, settings)
    folder, _ = checkpoint.run_of(Path(name))
    if (folder / "run.json").is_file():
        recipe = Recipe.parse(checkpoint.recipe_of(Run.open(folder))).override(*settings)
        refuse_without_effect(recipe, settings)
        return recipe
    if Path(name).exists() or name.startswith("hf:") or is_mixture(name) or name in variants(Corpus):
        return recipe_of(base, name, settings)
    if len(Path(name).parts) > 1:
        raise GlassError(no_run(Path(name)))
    return recipe_of(name, None, settings)


def refuse_without_effect(recipe: Recipe, settings: Iterable[str]) -> None:
    """Raises SettingError for a setting that nothing would read."""
    for setting in settings:
        path = setting.partition("=")[0].strip()
        if path in ("model.vocab_size", "model.absent"):
            raise SettingError(
                f"{path} would have no effect: the vocabulary is the tokenizer's; set tokenizer.vocab_size, or leave it out"
            )
        if is_dataset(recipe.corpus) and path.partition(".")[0] in ("tokenizer", "data", "corpus"):
            raise SettingError(
                f"{setting} would have no effect: {recipe.corpus.path} is a prepared dataset, whose tokenizer and "
                "documents are made; leave the setting out, or give the text itself"
            )


def split(source: str | None, settings: list[str] | None) -> tuple[str | None, list[str]]:
    """(source, settings): a first word with `=` is a setting, not a source. Raises SettingError for one that is
    neither."""
    if source is None or "=" not in source or Path(source).exists() or is_mixture(source):
        return source, list(settings or [])
    group, known = source.partition("=")[0].partition(".")[0].strip(), list(Recipe.model_fields)
    if group not in known:
        raise SettingError(f"'{source}' is neither a file that is there nor a setting; {suggestion(group, known)}")
    return None, [source, *(settings or [])]
