"""The design of a comparison: who runs, for how many steps, at which learning rates, by which commands.

It is decided before anything is trained and kept in `runs/<name>/compare.json`, so that an interrupted comparison goes
on with the numbers it began with.
"""

import json
import re
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from glassformer.config import Config, Variant
from glassformer.config.user_files import own_files
from glassformer.data.index import checksum
from glassformer.data.prepare import fingerprint
from glassformer.errors import GlassError, SettingError
from glassformer.recipes.presets import Recipe
from glassformer.system.files import sha256, write_atomic

Budget = Literal["steps", "flops", "time"]
GRID = (0.3, 1.0, 3.0)
"""What --tune multiplies the recipe's learning rate by."""
APART = 0.05
"""The share by which parameter counts may differ without a word."""
EVALUATIONS = 8
"""In a run, unless the settings say otherwise."""

FOR_ALL = {
    "steps": "which the budget decides", "seed": "which the budget decides",
    "eval_tokens": "and models are judged on the same text",
}  # fmt: skip
"""Settings of `train` that no variant may change, and why."""


@dataclass(frozen=True)
class Question:
    """What is asked: a recipe (by the words that name it) and the settings of each variant."""

    source: str | None
    recipe: str
    settings: tuple[str, ...]
    against: tuple[str, ...]
    seeds: int
    budget: Budget
    minutes: float | None
    tune: bool

    @property
    def key(self) -> str:
        """The same question, the same key."""
        return checksum(asdict(self))[:8]


@dataclass
class Entry:
    """One model of the comparison: the baseline, or a variant."""

    name: str
    """Its folders begin with this."""
    label: str
    """What it is called in tables: its settings."""
    settings: dict[str, str]
    """All that makes its recipe of the named one, seed aside, by path."""
    contents: dict[str, str]
    """Checksums of what its recipe names and does not hold."""
    steps: int
    tokens: int
    """Read in a run."""
    parameters: int
    flops: float
    """Of the products in a run: forward, backward and update."""
    memory: float
    """Bytes of weights, gradients, optimizer and activations at the worst moment, computed as `glass plan` does."""
    step_seconds: float | None = None
    """Measured, where steps depend on it."""
    learning_rate: float | None = None
    """Tuned; None: the recipe's."""
    tried: dict[str, float | None] | None = None
    """Bits per byte by learning rate, where it was tuned."""


@dataclass
class Design:
    """Everything that is fixed before the first run. `entries[0]` is the baseline."""

    question: Question
    first_seed: int
    entries: list[Entry]

    @property
    def seeds(self) -> range:
        """Of the runs that count."""
        return range(self.first_seed, self.first_seed + self.question.seeds)

    def settings(self, entry: Entry, seed: int, rate: float | None = None) -> list[str]:
        """What makes the recipe of a run of the named one; the seed first, which no one takes for a source."""
        rate = rate or entry.learning_rate
        tuned = {"train.learning_rate": f"{rate:g}"} if rate else {}
        return [f"{path}={value}" for path, value in ({"train.seed": seed} | entry.settings | tuned).items()]

    def recipe(self, base: Recipe, entry: Entry, seed: int, rate: float | None = None) -> Recipe:
        """Of a run, `base` being the named recipe on its source."""
        return base.override(*self.settings(entry, seed, rate))

    def words(self, entry: Entry, seed: int, run: str, rate: float | None = None) -> list[str]:
        """The words after `glass` that train one run, named `run` below runs/."""
        source, settings = self.question.source, self.settings(entry, seed, rate)
        return ["train", *([source] if source else []), *settings, "--recipe", self.question.recipe, "--name", run]

    def save(self, folder: Path) -> None:
        """Write `compare.json`."""
        write_atomic(folder / "compare.json", json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Design":
        """Read `compare.json`. Raises GlassError."""
        path = folder / "compare.json"
        try:
            return TypeAdapter(cls).validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            first = error.errors()[0] if isinstance(error, ValidationError) else None
            why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}" if first else error
            raise GlassError(
                f"{path} cannot be read ({why}): delete {folder} or choose another --name, and compare again"
            ) from error


def command(words: list[str]) -> str:
    """As a person types it."""
    return shlex.join(["glass", *words])


def asked(base: Recipe, question: Question, variant: list[str], precision: str, steps: int) -> Recipe:
    """What a model of the comparison is trained by, its seed aside. The question's recipe comes first and the variant
    changes that: in one `override` a part that the variant puts in would take over what the question said of another.
    """
    recipe = base.override(*pace(steps)).override(*question.settings)
    recipe = recipe.override(f"train.precision={precision}").override(*variant)
    return recipe.override(f"train.steps={steps}", f"train.seed={base.train.seed}")


def pace(steps: int) -> list[str]:
    """How often a run is looked at, unless the user asks for something else."""
    every, half = max(1, -(-steps // EVALUATIONS)), max(1, -(-steps // 2))
    return [
        f"train.eval_every={every}", "train.sample_every=0", f"train.checkpoint_every={half}", "train.keep_checkpoints=1",
        f"train.log_every={max(1, min(10, steps // 20))}",
    ]  # fmt: skip


def difference(base: Config, wanted: Config, above: str = "") -> dict[str, str]:
    """The settings, by path, that make `wanted` of `base` in one `override`."""
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
    """Checksums of the text and of the files that a recipe names: with others behind the same words it is another."""
    files = [*own_files(recipe), *([recipe.train.vectors] if recipe.train.vectors else [])]
    text = fingerprint(recipe.corpus, recipe.tokenizer, recipe.data)
    return {path: sha256(Path(path)) for path in files if Path(path).is_file()} | {"the text": text}


def _plain(variant: Variant) -> Variant | None:
    """The variant of this name with its knobs untouched; None where a knob has no default."""
    try:
        return variant.slot().named(variant.name)
    except SettingError:
        return None


def _text(value: Any) -> str:
    """What `override` reads as `value`: text as it is, unless it could be read as something else."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            return value
    return json.dumps(value, ensure_ascii=False)


def variants(base: Recipe, against: tuple[str, ...]) -> list[tuple[str, str, list[str]]]:
    """(name, label, settings) of the baseline and of each variant. Raises SettingError for one that compares nothing."""
    found, before = [("baseline", "baseline", [])], list[tuple[str, Recipe]]()
    for text in against:
        try:
            settings = shlex.split(text)
        except ValueError as error:
            raise SettingError(f"--against \"{text}\" cannot be read ({error}); close the quotation") from None
        changed = base.override(*settings)
        if not settings or changed == base:
            raise SettingError(f"--against '{text}' changes nothing of the recipe; give a setting with another value")
        for other, recipe in before:
            if recipe == changed:
                raise SettingError(f"--against '{other}' and --against '{text}' are the same model; leave one of them out")
        before.append((text, changed))
        if (changed.corpus, changed.data) != (base.corpus, base.data):
            raise SettingError(f"--against '{text}' changes the text, and models are compared on the same text")
        for setting, why in FOR_ALL.items():
            if getattr(changed.train, setting) != getattr(base.train, setting):
                raise SettingError(
                    f"--against '{text}' sets train.{setting}, {why}; set it for all: glass compare train.{setting}=..."
                )
        name = _slug(settings)
        taken = sum(
            other == name or re.fullmatch(rf"{re.escape(name)}-x\d+", other) is not None for other, _, _ in found
        )
        found.append((f"{name}-x{taken + 1}" if taken else name, text, settings))
    return found


def _slug(settings: list[str]) -> str:
    """`model.mixer=sliding` -> `mixer-sliding`."""
    words = []
    for setting in settings:
        path, _, value = setting.partition("=")
        words.append(f"{path.rpartition('.')[2]}-{Path(value).stem if value.endswith('.py') else value}")
    return re.sub(r"[^A-Za-z0-9.,_-]+", "-", "_".join(words))[:60].strip("-.")


def warnings(design: Design) -> list[str]:
    """What a reader must know before believing the numbers."""
    first, found = design.entries[0], []
    for entry in design.entries:
        share = entry.parameters / first.parameters - 1
        if abs(share) > APART:
            found.append(f"{entry.label} has {abs(share):.0%} {'more' if share > 0 else 'fewer'} parameters")
        if entry.tried and entry.learning_rate in (min(map(float, entry.tried)), max(map(float, entry.tried))):
            found.append(f"{entry.label}: the best learning rate tried stands at the end of the grid")
    if first.tried is None:
        found.append("learning rates are not tuned: a variant that wants another one is at a disadvantage (--tune)")
    if design.question.seeds == 2:  # of a single one the verdict says more
        found.append("two seeds show only large differences")
    return found


def budget_sentence(design: Design) -> str:
    """What was equal."""
    first = design.entries[0]
    steps = f"{first.steps:,} steps of the baseline, {first.tokens:,} tokens"
    return {
        "steps": f"Equal budget: as many tokens for all ({steps}).",
        "flops": f"Equal budget: as many training FLOPs for all ({first.flops:.3g}; {steps}).",
        "time": f"Equal budget: as much training time for all, {(first.step_seconds or 0) * first.steps:.0f} s by "
        f"step times measured here ({steps}).",
    }[design.question.budget]
