"""The words of a command that name a recipe: `glass train [SOURCE] [SETTING=VALUE]... --recipe NAME`."""

from pathlib import Path

from glassformer.corpora import corpus, is_mixture
from glassformer.presets import Recipe, named


def recipe_of(name: str, source: str | None, settings: list[str] | None) -> Recipe:
    """The recipe `name` reading `source`, with settings applied. Raises SettingError, CorpusError."""
    source, settings = split(source, settings)
    recipe = named(name)
    if source is not None:
        recipe = recipe.model_copy(update={"corpus": corpus(source)})
    return recipe.override(*settings)


def split(source: str | None, settings: list[str] | None) -> tuple[str | None, list[str]]:
    """(source, settings): a first word with `=` is a setting, not a source."""
    if source is not None and "=" in source and not Path(source).exists() and not is_mixture(source):
        return None, [source, *(settings or [])]
    return source, list(settings or [])
