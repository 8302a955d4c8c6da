"""Contracts: what a part of the model promises, and `glass check-variant`, which holds a user's own file to it.

`combinations` says which models are tried, `promises` what is asked of each, this file tells the user.
"""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic_core import PydanticCustomError
from rich.console import Console
from rich.markup import escape

from glassformer.blame import words_of
from glassformer.config import Variant, variant_class
from glassformer.contracts.combinations import CHOICES, Combination, config, label
from glassformer.contracts.promises import PROMISES
from glassformer.errors import SettingError
from glassformer.model.gpt import GPTConfig

N_COMBINATIONS = 8


class Verdict(NamedTuple):
    """What became of one promise."""

    promise: str
    meaning: str
    broken: str
    """How, and in which combination; empty if it was kept in all of them."""


def check_variant(path: str, console: Console) -> bool:
    """Hold the variant in the file `path` to every promise, in combination with others; says whether all were kept.

    Raises SettingError for a file that defines no part of the model, or one that fits to no others.
    """
    slot = slot_of(path)
    console.print(f"{escape(path)} is a [bold]{slot}[/]; tried with {N_COMBINATIONS} combinations of the other parts")
    chosen, refused = possible(slot, path)
    if refused:
        console.print(f"{N_COMBINATIONS - len(chosen)} of them cannot be built: {escape(refused)}", soft_wrap=True)
    kept = True
    for verdict in verdicts(chosen):
        name = verdict.promise.replace("_", " ")
        console.print(f"[red]broken[/] {name}" if verdict.broken else f"[green]kept[/]   {name}", highlight=False)
        if verdict.broken:
            kept = False
            console.print(f"       {escape(verdict.broken)}", highlight=False, soft_wrap=True)
    console.print("All promises are kept." if kept else "See glassformer/contracts/promises.py for what each one asks.")
    return kept


def slot_of(path: str) -> str:
    """The setting of `model` that the file fills: "mixer", "position", ... Raises SettingError."""
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
                told = told if "and it defines 0" in str(error) else str(error)
    raise SettingError(
        told or f"{path} defines no part of a model; subclass Mixer, Position, MLP, Norm, Residual or Head"
    )


def possible(slot: str, path: str) -> tuple[list[Combination], str]:
    """The combinations that can be built, and why the first of the others cannot. Raises SettingError if none can."""
    chosen, refused = [], ""
    for combination in tried(slot, path):
        try:
            config(combination)
            chosen.append(combination)
        except SettingError as error:  # parts refuse each other by a sentence, as rope refuses an odd head
            refused = refused or f"{error}  [{label(combination)}]"
    if not chosen:
        raise SettingError(f"{path} fits to none of {N_COMBINATIONS} combinations of other parts: {refused}")
    return chosen, refused


def verdicts(chosen: list[Combination]) -> Iterator[Verdict]:
    """One for each promise, in order; the first combination that breaks it is told."""
    for promise in PROMISES:
        broken = next(filter(None, (_how(promise, c) for c in chosen)), "")
        yield Verdict(promise.__name__, (promise.__doc__ or "").strip(), broken)


def tried(slot: str, path: str) -> Iterator[Combination]:
    """First with the usual parts, then every shape and a draw of the others."""
    usual = {"embed": "token", "position": "rope", "mixer": "full", "mlp": "swiglu", "norm": "rmsnorm", "residual": "pre",
             "head": "tied", "init": "gpt2"}  # fmt: skip
    shapes, dice = CHOICES["shape"], random.Random(0)
    for i in range(N_COMBINATIONS):
        others = usual if i < 2 else {name: dice.choice(names) for name, names in CHOICES.items() if name != "shape"}
        yield {**others, slot: path, "shape": shapes[i % len(shapes)]}


def _how(promise: Any, combination: Combination) -> str:
    """In what way the promise is broken; empty if it is kept."""
    try:
        promise(combination)
    except Exception as error:
        return f"{words_of(error, [n for n in combination.values() if n.endswith('.py')])}  [{label(combination)}]"
    return ""
