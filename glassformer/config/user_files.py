"""Errors in the user's own Python files, which a recipe may name (`model.mixer=./my_mixer.py`), as one sentence."""

import contextlib
import linecache
from collections.abc import Iterator, Sequence
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


def line_of(error: BaseException, files: Sequence[str]) -> tuple[str, int] | None:
    """(path, line): where in these files the error happened last; None if it did not pass through any of them."""
    paths, found = {str(Path(file).resolve()) for file in files}, None
    seen: BaseException | None = error
    while seen is not None and found is None:
        trace = seen.__traceback__
        while trace is not None:
            path = str(Path(trace.tb_frame.f_code.co_filename).resolve())
            found = (path, trace.tb_lineno) if path in paths else found
            trace = trace.tb_next
        seen = seen.__cause__
    return found


def words_of(error: BaseException, files: Sequence[str]) -> str:
    """The first line of the error, and where in these files it happened: "ValueError: ... (line 3 of my.py: y = x / 0)"."""
    said, sentence = str(error).splitlines()[:1], isinstance(error, AssertionError | GlassError)
    told = said[0] if said and sentence else ": ".join([type(error).__name__, *said])
    place = line_of(error, files)
    return told if place is None else f"{told} ({words_of_line(*place)})"


def words_of_line(path: str, line: int) -> str:
    """A line of a file in words: "line 3 of my.py: y = x / 0"."""
    source = linecache.getline(path, line).strip()
    return f"line {line} of {Path(path).name}" + (f": {source}" if source else "")


@contextlib.contextmanager
def blaming(config: Config, what: str = "this recipe cannot take a step", then: str = "") -> Iterator[None]:
    """Turns an error that comes from the user's own files in `config` into a SettingError which names file and line.

    `what` says what could not be done, and `then` what the user can do; without it that is `glass check-variant`. An error
    that does not pass through such a file is a bug of ours, or one of torch about the shapes of a part: it is told in the
    same way if own files take part at all. If none does, it is not caught.
    """
    try:
        yield
    except GlassError:
        raise
    except Exception as error:
        files = own_files(config)
        if not files:
            raise
        place = line_of(error, files)
        guilty = [place[0]] if place else files
        remedy = then or f"`{typed('check-variant', guilty[0])}` shows what is wrong with it"
        raise SettingError(f"{what} with {' and '.join(guilty)}: {words_of(error, files)}; {remedy}") from error
