"""Reads the words of a command that name a recipe: `glass train [SOURCE] [SETTING=VALUE]... --recipe NAME`."""

from pathlib import Path

from glassformer.corpora import corpus, is_mixture
from glassformer.recipes.presets import Recipe, named, presets
from glassformer.runs.run import Run


def recipe_of(name: str, source: str | None, settings: list[str] | None) -> Recipe:
    """The recipe `name` reading `source`, with settings applied. Raises SettingError, CorpusError."""
    source, settings = split(source, settings)
    recipe = named(name)
    if source is not None:
        recipe = recipe.model_copy(update={"corpus": corpus(source)})
    return recipe.override(*settings)


def recipe_or_run(name: str, settings: list[str] | None) -> Recipe:
    """The recipe `name`, or that of the run in the folder `name`, with settings applied. Raises GlassError.

    A first word with `=` is a setting of `mini`, as in `glass train`.
    """
    source, settings = split(name, settings)
    if source is None:
        return recipe_of("mini", None, settings)
    if name not in presets() and (Path(name).is_dir() or len(Path(name).parts) > 1):
        return Recipe.parse(Run.open(Path(name)).recipe()).override(*settings)
    return recipe_of(name, None, settings)


def split(source: str | None, settings: list[str] | None) -> tuple[str | None, list[str]]:
    """(source, settings): a first word with `=` is a setting, not a source."""
    if source is not None and "=" in source and not Path(source).exists() and not is_mixture(source):
        return None, [source, *(settings or [])]
    return source, list(settings or [])
