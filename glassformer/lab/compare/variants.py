"""The recipes of a comparison: how `--against` becomes the variants, and which settings make each model's recipe.

A comparison is stored as settings rather than as whole recipes, because its report prints a `glass train` command for
every run: `difference` finds the settings that turn the named recipe into the one that was trained.
"""

import json
import re
import shlex
from pathlib import Path
from typing import Any

from glassformer.config import Config, Variant
from glassformer.config.user_files import own_files
from glassformer.data.prepare import fingerprint
from glassformer.errors import SettingError
from glassformer.lab.compare.design import Question
from glassformer.recipes.presets import Recipe
from glassformer.recipes.words import refuse_without_effect
from glassformer.system.command import typed
from glassformer.system.files import sha256

EVALUATIONS = 8
"""How often a run evaluates itself, unless the settings say otherwise."""
FOR_ALL = {
    "steps": "which the budget decides", "seed": "which the comparison decides",
    "eval_tokens": "and all models must be judged on the same text",
}  # fmt: skip
"""Settings of `train` that a variant may not change, and why."""


def variants(base: Recipe, against: tuple[str, ...]) -> list[tuple[str, str, list[str]]]:
    """(name, label, settings) of the baseline and of each variant.

    Raises SettingError for a variant that changes nothing, equals another one, changes the text, or changes a setting
    that all models must share.
    """
    found, before = [("baseline", "baseline", [])], list[tuple[str, Recipe]]()
    for text in against:
        try:
            settings = shlex.split(text)
        except ValueError as error:
            raise SettingError(f"--against \"{text}\" cannot be read ({error}); close the quotation") from None
        changed = base.override(*settings)
        refuse_without_effect(changed, settings)
        if not settings or changed == base:
            raise SettingError(f"--against '{text}' changes nothing of the recipe; give a setting with another value")
        for other, recipe in before:
            if recipe == changed:
                raise SettingError(f"--against '{other}' and --against '{text}' are the same model; leave one of them out")
        before.append((text, changed))
        _refuse_unequal_terms(base, changed, text)
        name = _slug(settings)
        taken = sum(
            other == name or re.fullmatch(rf"{re.escape(name)}-x\d+", other) is not None for other, _, _ in found
        )
        found.append((f"{name}-x{taken + 1}" if taken else name, text, settings))
    return found


def combined(base: Recipe, question: Question, variant: list[str], precision: str, steps: int) -> Recipe:
    """The recipe of one model of the comparison, apart from its seed.

    The question's settings are applied first, and the variant's to the result. Were both applied in one `override`, a
    part that the variant puts in would receive the settings that the question gave to the part it replaces.
    """
    recipe = base.override(*pace(steps)).override(*question.settings)
    recipe = recipe.override(f"train.precision={precision}").override(*variant)
    return recipe.override(f"train.steps={steps}", f"train.seed={base.train.seed}")


def pace(steps: int) -> list[str]:
    """Settings that say how often a run of `steps` steps is evaluated, logged and saved, unless the user says
    otherwise."""
    every, half = max(1, -(-steps // EVALUATIONS)), max(1, -(-steps // 2))
    return [
        f"train.eval_every={every}", "train.sample_every=0", f"train.checkpoint_every={half}", "train.keep_checkpoints=1",
        f"train.log_every={max(1, min(10, steps // 20))}",
    ]  # fmt: skip


def difference(base: Config, wanted: Config, above: str = "") -> dict[str, str]:
    """The settings, by path, that turn `base` into `wanted` in one `override`."""
    found, tree = {}, wanted.model_dump()
    for name in type(wanted).model_fields:
        old, new, path = getattr(base, name), getattr(wanted, name), above + name
        if old == new:
            continue
        if isinstance(new, Config) and type(old) is type(new):
            found |= difference(old, new, path + ".")
        elif isinstance(new, Variant) and isinstance(old, Variant) and (plain := _plain(new)):
            knobs = [knob for knob in type(new).model_fields if getattr(new, knob) != getattr(plain, knob)]
            found |= {path: new.name} | {f"{path}.{knob}": _text(tree[name][knob]) for knob in knobs}
        else:
            found[path] = _text(tree[name])
    return found


def contents(recipe: Recipe) -> dict[str, str]:
    """Checksums of the text and of the files that a recipe names: if one changes, the same words mean another
    recipe."""
    files = [*own_files(recipe), *([recipe.train.vectors] if recipe.train.vectors else [])]
    text = fingerprint(recipe.corpus, recipe.tokenizer, recipe.data)
    return {path: sha256(Path(path)) for path in files if Path(path).is_file()} | {"the text": text}


def _refuse_unequal_terms(base: Recipe, changed: Recipe, text: str) -> None:
    """Raises SettingError for a variant that would be trained or judged on other terms than the baseline."""
    if (changed.corpus, changed.data) != (base.corpus, base.data):
        raise SettingError(
            f"--against '{text}' changes the text, and models are compared on the same text; "
            "give only settings of the model, the tokenizer or the training"
        )
    for setting, why in FOR_ALL.items():
        if getattr(changed.train, setting) != getattr(base.train, setting):
            raise SettingError(
                f"--against '{text}' sets train.{setting}, {why}; set it for all: "
                f"{typed('compare', f'train.{setting}=...')}"
            )


def _plain(variant: Variant) -> Variant | None:
    """The variant of this name with the default of every setting; None where a setting has no default."""
    try:
        return variant.slot().named(variant.name)
    except SettingError:
        return None


def _text(value: Any) -> str:
    """The text that `override` reads back as `value`: a string stays as it is unless it would be read as JSON."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            return value
    return json.dumps(value, ensure_ascii=False)


def _slug(settings: list[str]) -> str:
    """`model.mixer=sliding` -> `mixer-sliding`."""
    words = []
    for setting in settings:
        path, _, value = setting.partition("=")
        words.append(f"{path.rpartition('.')[2]}-{Path(value).stem if value.endswith('.py') else value}")
    return re.sub(r"[^A-Za-z0-9.,_-]+", "-", "_".join(words))[:60].strip("-.")
