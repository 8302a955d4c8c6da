"""Contracts: the promises that every part of a model keeps, and `glass check-variant`, which tests a user's file for them.

`combinations` chooses the models that are tried, and `promises` holds one function per promise.
"""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic_core import PydanticCustomError

from glassformer.config import Variant, variant_class
from glassformer.config.user_files import words_of
from glassformer.errors import SettingError
from glassformer.lab.contracts.combinations import CHOICES, Combination, config, label
from glassformer.lab.contracts.promises import PROMISES
from glassformer.model.gpt import GPTConfig

N_COMBINATIONS = 8


class Verdict(NamedTuple):
    """Whether one promise was kept."""

    promise: str
    meaning: str
    broken: str
    """How it was broken and in which combination; empty if all combinations kept it."""


def slot_of(path: str) -> str:
    """The slot that the part in this file belongs to: "mixer", "position", ... Raises SettingError."""
    if not path.endswith(".py"):
        raise SettingError(f"'{path}' is no Python file; give the path of one, such as ./my_mixer.py")
    told = ""
    for name, field in GPTConfig.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Variant):
            try:
                variant_class(kind, path)
                return name
            except PydanticCustomError as error:
                told = told if "but it defines 0" in str(error) else str(error)
    raise SettingError(
        told or f"{path} defines no part of a model; subclass Mixer, Position, MLP, Norm, Residual or Head"
    )


def possible(slot: str, path: str) -> tuple[list[Combination], str]:
    """The combinations that can be built, and why the first of the others cannot be. Raises SettingError if none can."""
    chosen, refused = [], ""
    for combination in tried(slot, path):
        try:
            config(combination)
            chosen.append(combination)
        except SettingError as error:  # parts may refuse each other, as rope refuses heads of odd width
            refused = refused or f"{error}  [{label(combination)}]"
    if not chosen:
        raise SettingError(f"{path} fits to none of {N_COMBINATIONS} combinations of other parts: {refused}")
    return chosen, refused


def verdicts(chosen: list[Combination]) -> Iterator[Verdict]:
    """One for each promise, in order; it names the first combination that breaks the promise."""
    for promise in PROMISES:
        broken = next(filter(None, (_how(promise, c) for c in chosen)), "")
        yield Verdict(promise.__name__, (promise.__doc__ or "").strip(), broken)


def tried(slot: str, path: str) -> Iterator[Combination]:
    """Twice with the usual parts, then with random ones; every shape occurs."""
    usual = {"embed": "token", "position": "rope", "mixer": "full", "mlp": "swiglu", "norm": "rmsnorm", "residual": "pre",
             "head": "tied", "init": "gpt2"}  # fmt: skip
    shapes, generator = CHOICES["shape"], random.Random(0)
    for i in range(N_COMBINATIONS):
        others = usual if i < 2 else {name: generator.choice(names) for name, names in CHOICES.items() if name != "shape"}
        yield {**others, slot: path, "shape": shapes[i % len(shapes)]}


def _how(promise: Any, combination: Combination) -> str:
    """How the promise is broken; empty if it is kept."""
    try:
        promise(combination)
    except Exception as error:
        return f"{words_of(error, [n for n in combination.values() if n.endswith('.py')])}  [{label(combination)}]"
    return ""
