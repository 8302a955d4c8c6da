"""Errors in the user's own Python files, which a recipe may name (`model.mixer=./my_mixer.py`), as one sentence."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from glassformer.config import Config
from glassformer.errors import GlassError, SettingError
from glassformer.system.command import typed


def own_files(config: Config) -> list[str]:
    """The paths of the user's Python files that fill slots of `config`."""
    return sorted(set(_names(config.model_dump())))


def _names(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        name = tree.get("name")
        if isinstance(name, str) and name.endswith(".py"):
            yield name
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list | tuple) else ():
        yield from _names(child)


def words_of(error: BaseException, files: list[str]) -> str:
    """The first line of the error, and where in these files it happened: "ValueError: ... (line 3 of my.py)"."""
    paths, trace, where = {str(Path(file).resolve()) for file in files}, error.__traceback__, ""
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        where = f" (line {trace.tb_lineno} of {path.name})" if str(path.resolve()) in paths else where
        trace = trace.tb_next
    said, sentence = str(error).splitlines()[:1], isinstance(error, AssertionError | GlassError)
    return (said[0] if said and sentence else ": ".join([type(error).__name__, *said])) + where


@contextlib.contextmanager
def blaming(config: Config) -> Iterator[None]:
    """Turns an error inside the block into a SettingError if the user's own files take part in `config`. If none does,
    the error is a bug of ours and is not caught."""
    try:
        yield
    except GlassError:
        raise
    except Exception as error:
        files = own_files(config)
        if not files:
            raise
        raise SettingError(
            f"a model with {' and '.join(files)} cannot take a step: {words_of(error, files)}; "
            f"{typed('check-variant', files[0])} shows what is wrong with it"
        ) from error
