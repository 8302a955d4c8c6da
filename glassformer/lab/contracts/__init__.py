"""Contracts: the promises that every part of a recipe keeps, and `glass check-variant`, which tests a user's file for them.

`parts` finds the slots that a file fills. Each kind of part has a module with one function per promise: `model` (mixer,
position, norm, mlp, residual, embed, head, init), `optimizer`, `schedule`, `loss`, `processor`, `sampler`, `tokenizer` and
`corpus`. A promise takes a case (a combination of parts, or the part alone) and raises AssertionError if it is broken. What
a kind calls its BASIS is tested first, and says the cause: without it the other promises mean nothing. `bounded` tests them
in another process, so that a part that hangs or dies is named and the others are tested all the same.
"""

import importlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from glassformer.config.user_files import words_of
from glassformer.lab.contracts.parts import Part, parts_of

__all__ = ["Part", "Verdict", "cases", "parts_of", "promises", "verdicts"]


class Verdict(NamedTuple):
    """Whether one promise was kept."""

    promise: str
    meaning: str
    broken: str = ""
    """How it was broken and in which case; empty if all cases kept it."""
    unchecked: str = ""
    """Why it was not tested; empty if it was."""


def kind(part: Part) -> Any:
    """The module with the promises of this kind of part."""
    return importlib.import_module(f"{__name__}.{'model' if part.of_the_model else part.name}")


def promises(part: Part) -> list[Any]:
    """The promises that this part makes, those of its BASIS first."""
    module = kind(part)
    return [*module.BASIS, *module.PROMISES]


def cases(part: Part) -> tuple[list[Any], str]:
    """What the promises are tested on, and why some cases cannot be built. Raises SettingError if none can."""
    return kind(part).cases(part)


def verdicts(part: Part, first: int = 0, alive: Callable[[], None] = lambda: None) -> Iterator[Verdict]:
    """One for each promise from number `first` on, in order; it names the first case that breaks the promise.

    `alive` is called before each case.
    """
    module, chosen, missing = kind(part), cases(part)[0], ""
    for promise in promises(part)[first:]:
        broken = ""
        for case in [] if missing else chosen:
            alive()
            if broken := _how(promise, case, part):
                break
        yield verdict(promise, broken, missing)
        if broken and promise in module.BASIS:
            missing = f'it asks for "{title(promise)}" first'


def verdict(promise: Any, broken: str = "", unchecked: str = "") -> Verdict:
    """The verdict on a promise, which is a function."""
    return Verdict(promise.__name__, " ".join((promise.__doc__ or "").split()), broken, unchecked)


def title(promise: Any) -> str:
    """The name of a promise as words."""
    return promise.__name__.replace("_", " ")


def _how(promise: Any, case: Any, part: Part) -> str:
    """How the promise is broken; empty if it is kept."""
    try:
        promise(case)
    except Exception as error:
        where = kind(part).label(case)
        return words_of(error, [part.path]) + (f"  [{where}]" if where else "")
    return ""
