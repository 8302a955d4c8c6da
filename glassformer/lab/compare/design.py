"""The design of a comparison: which models run, for how many steps, at which learning rates, by which commands.

It is decided before anything is trained and kept in `runs/<name>/compare.json`, so that an interrupted comparison
continues with the numbers it began with. `variants.py` says how each model's recipe follows from the command line.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self, cast, get_args

from pydantic import TypeAdapter, ValidationError

from glassformer.data.index import checksum
from glassformer.errors import GlassError, SettingError
from glassformer.recipes.presets import Recipe
from glassformer.recipes.words import split
from glassformer.system.command import on_a_page, typed
from glassformer.system.files import write_atomic

Budget = Literal["steps", "flops", "time"]
GRID = (0.3, 1.0, 3.0)
"""--tune multiplies the recipe's learning rate by each of these."""
APART = 0.05
"""Parameter counts that differ by more than this share are pointed out."""


@dataclass(frozen=True)
class Question:
    """What the command asks: a recipe (by the words that name it) and the settings of each variant."""

    source: str | None
    recipe: str
    settings: tuple[str, ...]
    against: tuple[str, ...]
    seeds: int
    budget: Budget
    minutes: float | None
    tune: bool

    @classmethod
    def of(
        cls, source: str | None, settings: list[str] | None, recipe: str, against: list[str], seeds: int, budget: str,
        minutes: float | None, tune: bool,
    ) -> Self:  # fmt: skip
        """The question that the words of a command ask. Raises SettingError."""
        if not against:
            example = typed("compare", "--against", "model.mixer=sliding")
            raise SettingError(f"say what to compare with, for example: {example}")
        if budget not in get_args(Budget):
            raise SettingError(f"--budget={budget} does not exist; choose one of: {', '.join(get_args(Budget))}")
        source, settings = split(source, settings)
        return cls(source, recipe, tuple(settings), tuple(against), seeds, cast(Budget, budget), minutes, tune)

    @property
    def key(self) -> str:
        """Eight characters that are the same for the same question."""
        return checksum(asdict(self))[:8]


@dataclass
class Entry:
    """One model of the comparison: the baseline, or a variant."""

    name: str
    """The names of its run folders begin with this."""
    label: str
    """What tables call it: its settings."""
    settings: dict[str, str]
    """Every setting, by path, that makes its recipe out of the named one, except the seed."""
    contents: dict[str, str]
    """Checksums of the text and of the files that its recipe names."""
    steps: int
    tokens: int
    """Tokens that one run reads."""
    parameters: int
    flops: float
    """FLOPs of the matrix products of one run: forward, backward and update."""
    memory: float
    """Peak bytes of weights, gradients, optimizer state and activations, computed as `glass plan` does."""
    step_seconds: float | None = None
    """Seconds per step, measured only if the number of steps depends on it."""
    learning_rate: float | None = None
    """The tuned learning rate; None if the recipe's own is used."""
    tried: dict[str, float | None] | None = None
    """Bits per byte at each learning rate tried; None if nothing was tuned."""


@dataclass
class Design:
    """Everything that is fixed before the first run. `entries[0]` is the baseline."""

    question: Question
    first_seed: int
    entries: list[Entry]

    @property
    def seeds(self) -> range:
        """The seeds of the runs that count (tuning uses the next one)."""
        return range(self.first_seed, self.first_seed + self.question.seeds)

    def settings(self, entry: Entry, seed: int, rate: float | None = None) -> list[str]:
        """The settings that make a run's recipe out of the named one. The seed comes first, because `glass train` could
        take another first word for its source (`a=1,b=2` is how a mixture is written)."""
        rate = rate or entry.learning_rate
        tuned = {"train.learning_rate": f"{rate:g}"} if rate else {}
        return [f"{path}={value}" for path, value in ({"train.seed": seed} | entry.settings | tuned).items()]

    def recipe(self, base: Recipe, entry: Entry, seed: int, rate: float | None = None) -> Recipe:
        """The recipe of one run. `base` is the named recipe on its source."""
        return base.override(*self.settings(entry, seed, rate))

    def words(self, entry: Entry, seed: int, run: str, rate: float | None = None) -> list[str]:
        """The words after `glass` that train one run, which gets the folder runs/`run`."""
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
    """The command as a page writes it, quoted where the shell needs it."""
    return on_a_page(*words)


def to_train(question: Question, steps: int) -> str:
    """One sentence on how much there is to train. The baseline takes `steps` unless the question gives it minutes."""
    n_models = 1 + len(question.against)
    runs, tuning = n_models * question.seeds, n_models * len(GRID) * question.tune
    each = f"{steps:,} steps" if question.minutes is None else f"{question.minutes:g} minutes"
    equal = {"steps": "", "flops": " or as many FLOPs", "time": " or as much time"}[question.budget]
    said = f"{n_models} models x {question.seeds} seeds = {runs} runs of {each}{equal}"
    said += f", after {tuning} runs that tune the learning rate" if tuning else ""
    if question.minutes is not None:
        said += f": about {question.minutes * (runs + tuning):.0f} minutes in all"
    return f"{said}; each run is reported when it ends"


def warnings(design: Design) -> list[str]:
    """What a reader must know before believing the numbers."""
    first, found = design.entries[0], []
    for entry in design.entries:
        share = entry.parameters / first.parameters - 1
        if abs(share) > APART:
            found.append(f"{entry.label} has {abs(share):.0%} {'more' if share > 0 else 'fewer'} parameters")
        if entry.tried and entry.learning_rate in (min(map(float, entry.tried)), max(map(float, entry.tried))):
            found.append(f"{entry.label}: the best learning rate is the lowest or highest that was tried; a rate beyond it "
                         "may be better still")  # fmt: skip
    if first.tried is None:
        found.append("learning rates are not tuned: a variant that needs another rate is at a disadvantage (--tune)")
    if design.question.seeds == 2:  # for a single seed the verdict itself says that it proves nothing
        found.append("two seeds show only large differences")
    return found


def budget_sentence(design: Design) -> str:
    """One sentence on what all models had the same amount of."""
    first = design.entries[0]
    steps = f"{first.steps:,} steps of the baseline, {first.tokens:,} tokens"
    return {
        "steps": f"Equal budget: as many tokens for all ({steps}).",
        "flops": f"Equal budget: as many training FLOPs for all ({first.flops:.3g}; {steps}).",
        "time": f"Equal budget: as much training time for all, {(first.step_seconds or 0) * first.steps:.0f} s by "
        f"step times measured here ({steps}).",
    }[design.question.budget]
