"""Parts: the slots of a recipe that a file of the user's fills, and where the promises of each kind of part are written."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic_core import PydanticCustomError

from glassformer.config import Config, Variant, variant_class
from glassformer.errors import SettingError
from glassformer.recipes.presets import Recipe


class Part(NamedTuple):
    """One slot that a file fills."""

    setting: str
    """What to write before `=` to use it: "model.mixer"."""
    slot: type[Variant]
    path: str

    @property
    def name(self) -> str:
        """The kind of part, in a word or two: "mixer", "scaling"."""
        return self.setting.rpartition(".")[2]

    @property
    def of_the_model(self) -> bool:
        """Whether a GPT is built with it."""
        return self.setting.startswith("model.")

    def variant(self) -> Any:
        """The part with its default settings. Raises SettingError."""
        return self.slot.named(self.path)


def slots() -> dict[str, type[Variant]]:
    """Every slot of a recipe, by the setting that fills it; a slot that occurs twice by the first."""
    found: dict[type[Variant], str] = {}

    def walk(config: Config, prefix: str) -> Iterator[tuple[str, type[Variant]]]:
        for name in type(config).model_fields:
            value = getattr(config, name)
            if isinstance(value, Variant):
                yield prefix + name, value.slot()
        for name in type(config).model_fields:
            if isinstance(value := getattr(config, name), Config):
                yield from walk(value, f"{prefix}{name}.")

    for setting, slot in walk(Recipe(), ""):
        found[slot] = min(found.get(slot, setting), setting, key=lambda path: path.count("."))
    return {setting: slot for slot, setting in found.items()}


def parts_of(path: str) -> list[Part]:
    """Every slot that the file fills. Raises SettingError if it fills none, cannot be imported or is no Python file."""
    if not path.endswith(".py"):
        raise SettingError(f"'{path}' is no Python file; give the path of one, such as ./my_mixer.py")
    found, known = [], slots()
    for setting, slot in known.items():
        try:
            variant_class(slot, path)
        except PydanticCustomError as error:
            if "but it defines 0" in str(error):
                continue
            raise SettingError(str(error)) from None
        found.append(Part(setting, slot, path))
    if not found:
        names = ", ".join(slot.__name__ for slot in known.values())
        raise SettingError(
            f"{path} defines no part of a recipe; it must subclass one of {names} (docs/parts.md shows how)"
        )
    return found
