"""Promises of the parts of a model: they hold in every combination of variants.

`combinations` chooses the models that are tried. `basis` holds the promises that all else rests on; `reading` those about
what a token may depend on, with and without a cache; `learning` those about gradients, number formats, copies and files.
The tests run all of them on every variant (tests/model/test_contracts.py), `glass check-variant` on a user's file.
"""

import random
from collections.abc import Iterator

from glassformer.errors import SettingError
from glassformer.lab.contracts.model import learning, reading
from glassformer.lab.contracts.model.basis import BASIS
from glassformer.lab.contracts.model.combinations import CHOICES, Combination, config, label
from glassformer.lab.contracts.parts import Part

__all__ = ["BASIS", "PROMISES", "cases", "label"]

N_COMBINATIONS = 8
PROMISES = [*reading.PROMISES, *learning.PROMISES]


def cases(part: Part) -> tuple[list[Combination], str]:
    """The combinations that can be built, and why the first of the others cannot be. Raises SettingError if none can."""
    chosen, refused = [], ""
    for combination in tried(part.name, part.path):
        try:
            config(combination)
            chosen.append(combination)
        except SettingError as error:  # parts may refuse each other, as rope refuses heads of odd width
            refused = refused or f"{error}  [{label(combination)}]"
    if not chosen:
        raise SettingError(f"{part.path} fits to none of {N_COMBINATIONS} combinations of other parts: {refused}")
    missing = N_COMBINATIONS - len(chosen)
    return chosen, f"{missing} of {N_COMBINATIONS} combinations cannot be built: {refused}" if missing else ""


def tried(slot: str, path: str) -> Iterator[Combination]:
    """Twice with the usual parts, then with random ones; every shape occurs."""
    usual = {"embed": "token", "position": "rope", "mixer": "full", "mlp": "swiglu", "norm": "rmsnorm", "residual": "pre",
             "head": "tied", "init": "gpt2"}  # fmt: skip
    shapes, generator = CHOICES["shape"], random.Random(0)
    for i in range(N_COMBINATIONS):
        others = (
            usual if i < 2 else {name: generator.choice(names) for name, names in CHOICES.items() if name != "shape"}
        )
        others = {**others, "position": "rope"} if slot == "scaling" else others  # the slot is within rope
        yield {**others, slot: path, "shape": shapes[i % len(shapes)]}
