"""Configuration: frozen, complete, saved with the weights.

A `Config` is a frozen pydantic model. Each of its fields has a default and a meaning (the string under it), so the
saved JSON holds every setting. A `Variant` is a Config that fills a slot: **slot = folder, variant = file**. The base
class of a slot is in the folder's `__init__.py`; each other file there defines one subclass, and the name of the file
is the name of the variant. There is no registry: adding a file adds a variant, and the path of a file works wherever a
name does.

>>> recipe.override("model.mixer=./my_mixer.py", "model.mixer.window=128", "train.steps=500")
"""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import json
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from glassformer.errors import SettingError
from glassformer.system.command import typed


class Setting(NamedTuple):
    """One row of `glass settings`."""

    path: str
    value: Any
    type: str
    meaning: str
    variants: list[str]


class Config(BaseModel):
    """A frozen group of settings. An unknown name is refused, with a suggestion."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True, coerce_numbers_to_str=True,
        allow_inf_nan=False,
    )  # fmt: skip

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for key in value:
                if key not in cls.model_fields:
                    raise _unknown(str(key), list(cls.model_fields))
            return {key: _listed(cls.model_fields[key].annotation, item) for key, item in value.items()}
        return value

    @classmethod
    def parse(cls, tree: Any) -> Self:
        """Validate a tree of plain values. Raises SettingError, which names the full path of the setting."""
        try:
            return cls.model_validate(tree)
        except ValidationError as error:
            raise SettingError(_sentence(error)) from None

    def override(self, *assignments: str) -> Self:
        """A copy with `path=value` assignments applied. All of them are merged before anything is validated.

        A slot is filled before settings of its variant are set, so the order of the assignments does not matter. A
        value that parses as JSON is JSON; any other value is text. Raises SettingError.
        """
        tree = self.model_dump()
        for path, value in sorted(map(_assignment, assignments), key=lambda item: len(item[0])):
            _assign(tree, path, value)
        return type(self).parse(tree)

    def to_json(self) -> str:
        """All settings as JSON, defaults included. `from_json` returns an equal Config."""
        return json.dumps(self.model_dump(), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The Config that `to_json` wrote. Raises SettingError."""
        try:
            return cls.parse(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise SettingError(f"the settings are not valid JSON ({error}); restore the file from a copy") from None

    def settings(self, prefix: str = "") -> Iterator[Setting]:
        """Every setting and every slot in this Config and the Configs inside it, depth first."""
        for name, field in type(self).model_fields.items():
            value, path, meaning = getattr(self, name), prefix + name, field.description or ""
            if isinstance(value, Variant):
                slot = value.slot()
                yield Setting(path, value.name, slot.__name__.lower(), meaning, variants(slot))
            elif not isinstance(value, Config):
                if isinstance(value, tuple):
                    value = [part.name if isinstance(part, Variant) else part for part in value]
                yield Setting(path, value, _type_name(field.annotation), meaning, [])
            if isinstance(value, Config):
                yield from value.settings(path + ".")


class Variant(Config):
    """A Config that fills a slot. The slot is a direct subclass, in a package's `__init__.py`; each file beside it
    defines one subclass of the slot."""

    variant_name: ClassVar[str]
    variant_source: ClassVar[bytes | None] = None
    """The bytes of the user's own file as it was loaded; None for a variant of the package."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.variant_name = cls.__module__.rpartition(".")[2]

    @property
    def name(self) -> str:
        """The name of the file without `.py`, or its path if it is the user's own file."""
        return self.variant_name

    @property
    def identity(self) -> str:
        """The name or, for a file of the user's own, the SHA-256 of its bytes: what a hash of settings should hold."""
        return self.name if self.variant_source is None else hashlib.sha256(self.variant_source).hexdigest()

    def __repr_name__(self) -> str:
        return self.name

    def is_called(self, name: str) -> bool:
        """Whether a user who writes `name` (a name or a path) means this variant."""
        return self.name == (_resolved(name) if name.endswith(".py") else name)

    @classmethod
    def slot(cls) -> type["Variant"]:
        """The base class of the slot: the ancestor that is a direct subclass of Variant."""
        return next(base for base in cls.__mro__ if Variant in base.__bases__)

    @classmethod
    def named(cls, name: str, **knobs: Any) -> Self:
        """The variant of this slot with this name (or in the file at this path), with the given settings. Raises
        SettingError."""
        return cls.parse({"name": name, **knobs})

    @model_validator(mode="wrap")
    @classmethod
    def _dispatch(cls, value: Any, handler: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, dict):
            return handler(value)
        knobs = dict(value)
        name = knobs.pop("name", None)
        if cls is not cls.slot():
            return handler(knobs)
        if name is None:
            message = f"the name of the variant is missing; give name=... with one of: {', '.join(variants(cls))}"
            raise PydanticCustomError("variant", "{message}", {"message": message})
        return variant_class(cls, str(name)).model_validate(knobs)

    @model_serializer(mode="plain")
    def _with_name(self) -> dict[str, Any]:
        return {"name": self.name, **{field: getattr(self, field) for field in type(self).model_fields}}


def slot(name: str) -> Any:
    """The default of a field that is a slot, for example `mixer: Mixer = slot("full")`."""
    return Field(default=name)


def variants(slot: type[Variant]) -> list[str]:
    """The names of a slot's variants: the files and packages beside its base class."""
    package = sys.modules[slot.__module__]
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))


def variant_class(slot: type[Variant], name: str) -> type[Variant]:
    """The one subclass of `slot` that is defined in the variant's file: a module beside the slot, or a path that ends
    in `.py`."""
    if name.endswith(".py"):
        module = _module_from_path(slot, Path(name))
    elif name in variants(slot):
        module = importlib.import_module(f"{slot.__module__}.{name}")
    else:
        raise _unknown(name, variants(slot), kind=f"{slot.__name__.lower()} variant")
    found = [
        c for c in vars(module).values()
        if isinstance(c, type) and issubclass(c, slot) and c is not slot and c.__module__ == module.__name__
    ]  # fmt: skip
    if len(found) != 1:
        message = f"{name} must define exactly one subclass of {slot.__name__}, but it defines {len(found)}"
        raise PydanticCustomError("variant", "{message}", {"message": message})
    if inspect.isabstract(found[0]):
        missing = " and ".join(sorted(found[0].__abstractmethods__))
        message = f"{found[0].__name__} in {name} does not define {missing}; see {slot.__name__} for what that must do"
        raise PydanticCustomError("variant", "{message}", {"message": message})
    if name.endswith(".py"):
        found[0].variant_name, found[0].variant_source = _resolved(name), module.__source__
    return found[0]


def _resolved(path: str) -> str:
    return str(Path(path).expanduser().resolve())


def _module_from_path(slot: type[Variant], path: Path) -> Any:
    path = path.expanduser().resolve()
    try:
        source = path.read_bytes()
    except OSError:
        loaded = [m for m in sys.modules.values() if hasattr(m, "__source__") and m.__file__ == str(path)]
        if loaded:  # it has gone since this process loaded it
            return loaded[-1]
        message = f"there is no file {path}; give a path to a Python file or one of: {', '.join(variants(slot))}"
        raise PydanticCustomError("variant", "{message}", {"message": message}) from None
    module_name = f"glassformer_variant_{hashlib.sha256(source + str(path).encode()).hexdigest()[:16]}"
    if module_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(module_name, path)
        assert spec
        module = importlib.util.module_from_spec(spec)
        module.__source__ = source  # type: ignore[attr-defined]
        sys.modules[module_name] = module
        try:
            exec(compile(source, path, "exec"), vars(module))  # and not what an older compiled copy beside it says
        except (Exception, SystemExit) as error:
            del sys.modules[module_name]
            message = (
                f"{path} could not be imported ({type(error).__name__}: {error}); run `python {path}` to see the line"
            )
            raise PydanticCustomError("variant", "{message}", {"message": message}) from error
    return sys.modules[module_name]


def suggestion(word: str, known: list[str]) -> str:
    """`did you mean 'x'?`, or the list of all known words if none is close."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"there is: {', '.join(known) or 'nothing here'}"


def _unknown(word: str, known: list[str], kind: str = "setting") -> PydanticCustomError:
    context = {"kind": kind, "word": word, "hint": suggestion(word, known)}
    return PydanticCustomError("unknown", "unknown {kind} '{word}'; {hint}", context)


def _sentence(error: ValidationError) -> str:
    """The first problem as one sentence: the path, what is wrong, the remedy."""
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    context = first.get("ctx", {})
    if first["type"] == "unknown" and context["kind"] == "setting":
        prefix = path + "." if path else ""
        return f"unknown setting '{prefix}{context['word']}'; {context['hint']}"
    if first["type"] in ("unknown", "variant"):
        return f"{path + ': ' if path else ''}{first['msg']}"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message[:1].lower() + message[1:].partition(", unable")[0].partition(", got")[0]
    got = "" if first["type"] in ("value_error", "missing") else f", got {json.dumps(first['input'], default=str)}"
    return f"{path + ': ' if path else ''}{message}{got} (see `{typed('settings')}`)"


def _listed(annotation: Any, value: Any) -> Any:
    """The value, in a list of one if it is a single text or number for a setting that is a list of such."""
    element = get_args(annotation)[0] if get_origin(annotation) is tuple else None
    single = element in (str, int, float) or get_origin(element) in (Annotated, Literal)
    return [value] if single and isinstance(value, str | int | float) else value


def _assignment(text: str) -> tuple[list[str], Any]:
    path, equals, value = text.partition("=")
    if not equals or not all(path.strip().split(".")):
        raise SettingError(f"'{text}' is not a setting; write it as path=value, for example train.steps=500")
    try:
        return path.strip().split("."), json.loads(value)
    except (ValueError, RecursionError):
        return path.strip().split("."), value


def _assign(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for depth, part in enumerate(path[:-1]):
        if part not in tree and "name" in tree:  # a slot that was filled in this call; its settings are not in the tree yet
            tree[part] = {}
        if part not in tree:
            raise SettingError(f"unknown setting '{'.'.join(path[: depth + 1])}'; {suggestion(part, list(tree))}")
        if not isinstance(tree[part], dict):
            raise SettingError(_no_path_into(path, depth + 1, value))
        tree = tree[part]
    slot_filled = isinstance(tree.get(path[-1]), dict) and "name" in tree[path[-1]]
    tree[path[-1]] = {"name": value} if slot_filled and isinstance(value, str) else value


def _no_path_into(path: list[str], depth: int, value: Any) -> str:
    """The error message for a path that continues after a single value. Its first `depth` words name the setting; if
    the next is a number, the user wants to change one element of a list."""
    here, whole = ".".join(path[:depth]), ".".join(path)
    if not path[depth].isdecimal():
        return f"'{whole}' does not exist, because {here} is a single value; write {here}=..."
    example = json.dumps({"name": "...", path[-1]: value} if len(path) > depth + 1 else value, ensure_ascii=False)
    return f"'{whole}' does not exist; write the whole list as JSON, for example {here}='[{example}, ...]'"


def _type_name(annotation: Any) -> str:
    kind, arguments = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        return _type_name(arguments[0])
    if kind in (Union, UnionType):
        return " or ".join(map(_type_name, arguments))
    if kind is Literal:
        return " or ".join(map(json.dumps, arguments))
    if kind in (list, tuple):
        return f"list of {_type_name(arguments[0])}"
    if annotation is NoneType:
        return "null"
    return annotation.__name__ if isinstance(annotation, type) and not kind else str(annotation).replace("typing.", "")
