"""Several processes train one recipe: they meet, take over what the first one has measured, and find the run that they
began before they were started again."""

import contextlib
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from glassformer.config.flat import flat
from glassformer.data.pace import Pace
from glassformer.errors import GlassError
from glassformer.parallel.world import World, joined, own_device
from glassformer.recipes.build import device_of
from glassformer.recipes.measure import Choices
from glassformer.recipes.presets import Recipe
from glassformer.runs.run import Run
from glassformer.system import torchrun


def meet(recipe: Recipe, launched: torchrun.Launch | None) -> contextlib.AbstractContextManager[World]:
    """The processes of this launch, which all train this recipe. Raises SettingError or LostProcess (`joined`)."""
    device = own_device(device_of(recipe.train.device), launched)
    return joined(launched, recipe.parallel, device, flat(recipe.model_dump()))


def agreed(choices: Choices, world: World) -> Choices:
    """What the first process has measured, in all processes."""
    own = [choices.recipe.to_json(), choices.precision, choices.why]
    text, precision, why = world.told(lambda: own)
    recipe = Recipe.from_json(text)
    return replace(choices, recipe=recipe, precision=precision, why=why, pace=Pace.even(recipe.train.steps))


def begun(launched: torchrun.Launch | None, folders: Iterable[Path]) -> Path | None:
    """The run among `folders` that an earlier attempt of this launch has begun with the same words; it may have ended."""
    if launched is None:
        return None
    for folder in folders:
        with contextlib.suppress(GlassError):
            facts = Run.open(folder).facts()
            if (facts.get("launch"), facts.get("argv")) == (launched.id, sys.argv[1:]):
                return folder
    return None
