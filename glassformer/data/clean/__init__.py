"""Cleaning: what is changed in a text before a model sees it. Each step is one small function, and its changes are
counted.

The default steps repair only what nobody means (mixed line ends, control characters, two spellings of one letter), so
they are safe for code: tinyshakespeare stays the same byte for byte, and Python code compiles as before.
`CleanConfig.steps` says which steps run, and in which order; what each one changed is in the dataset's index, with
examples.

The steps are in `characters`, `lines`, `documents` (these can drop documents) and `personal`. `report` adds up the
counts, and `explain` shows what would happen to a few documents. A step is a function from text to text; each of its
other parameters has the name of the setting that fills it.
"""

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import regex
from pydantic import Field, field_validator, model_validator

from glassformer.config import Config, suggestion
from glassformer.data.clean.characters import control_characters, newlines, unicode, white_space
from glassformer.data.clean.documents import length, quality, script
from glassformer.data.clean.lines import blank_lines, boilerplate_lines, trailing_space
from glassformer.data.clean.personal import disguised, personal
from glassformer.data.clean.quality import Quality
from glassformer.data.clean.report import MOST_EXAMPLES, StepReport, add, dropped, excerpts, report, zero
from glassformer.data.clean.scripts import SCRIPTS
from glassformer.system.command import typed
from glassformer.system.files import sha256

__all__ = ["STEPS", "CleanConfig", "Cleaner", "StepReport", "add", "dropped", "report"]

STEPS: dict[str, Callable[..., str]] = {
    step.__name__: step
    for step in (
        newlines, control_characters, unicode, white_space, boilerplate_lines, trailing_space, blank_lines, personal,
        length, script, quality,
    )
}  # fmt: skip
_SCRIPT_NAMES = [name for name in SCRIPTS if name.istitle()]
_KNOBS = {name: list(inspect.signature(step).parameters)[1:] for name, step in STEPS.items()}


class CleanConfig(Config):
    """Which cleaning steps run, and how strict they are."""

    steps: tuple[str, ...] = ("newlines", "control_characters", "unicode", "blank_lines")
    """The cleaning steps, in order: functions of data/clean/. Blank documents and exact repetitions are always
    dropped."""
    min_characters: int = Field(default=0, ge=0)
    """Step `length`: drop documents with fewer characters than this."""
    max_characters: int = Field(default=0, ge=0)
    """Step `length`: cut or drop documents with more characters than this; 0 is no limit."""
    long_documents: Literal["cut", "drop"] = "cut"
    """Step `length`: what to do with documents that are too long."""
    scripts: tuple[str, ...] = Field(default=("Latin",), min_length=1)
    """Step `script`: the scripts to keep, by their Unicode names. Japanese needs three: Han, Hiragana and Katakana."""
    script_share: float = Field(default=0.8, gt=0, le=1)
    """Step `script`: keep a document if at least this share of its letters belongs to these scripts."""
    mask: tuple[Literal["email", "phone", "ip"], ...] = ("email", "phone", "ip")
    """Step `personal`: which kinds of addresses are replaced by [email], [phone] and [ip]."""
    quality_model: str = ""
    """Step `quality`: the file of your quality model, which `glass data quality` trains on examples."""
    quality_threshold: float = Field(default=0.5, ge=0, le=1)
    """Step `quality`: keep the documents that your quality model gives at least this probability of being good."""

    @field_validator("steps")
    @classmethod
    def _known_steps(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        for step in steps:
            if step not in STEPS:
                raise ValueError(f"there is no cleaning step '{step}'; {suggestion(step, list(STEPS))}")
            if steps.count(step) > 1:
                raise ValueError(f"the cleaning step '{step}' is named twice; name it once")
        return steps

    @field_validator("scripts")
    @classmethod
    def _known_scripts(cls, scripts: tuple[str, ...]) -> tuple[str, ...]:
        for name in scripts:
            if not _is_script(name):
                raise ValueError(f"there is no script '{name}'; {suggestion(name, _SCRIPT_NAMES)}")
        return scripts

    @model_validator(mode="after")
    def _every_knob_turns_something(self) -> Self:
        for step, knobs in _KNOBS.items():
            for knob in knobs:
                if step not in self.steps and getattr(self, knob) != type(self).model_fields[knob].default:
                    raise ValueError(f"{knob} has no effect without the step '{step}'; add '{step}' to steps")
        if "length" in self.steps and not (self.min_characters or self.max_characters):
            raise ValueError("the step 'length' needs a limit; set min_characters or max_characters")
        if "quality" in self.steps and not self.quality_model:
            raise ValueError(
                f"the step 'quality' needs a model; train one with `{typed('data', 'quality')}` and "
                "set quality_model to its file"
            )
        return self

    def files(self) -> list[str]:
        """The SHA-256 of each file that the steps read; it is part of a dataset's fingerprint. Raises DatasetError."""
        if not self.quality_model:
            return []
        Quality.load(self.quality_model)
        return [sha256(Path(self.quality_model))]


class Cleaner:
    """Applies the steps to one document after another and counts what they change. Worker processes get a copy.

    >>> cleaner = Cleaner(CleanConfig(steps=("newlines",)))
    >>> cleaner("a\\r\\nb")
    'a\\nb'
    >>> report(cleaner.take())[0].changed
    1
    """

    def __init__(self, config: CleanConfig) -> None:
        self._steps = [(name, step_of(name, config)) for name in config.steps]
        self._mask = config.mask if "personal" in config.steps else ()
        self._counts = self._zero()

    def __call__(self, text: str, origin: str = "") -> str:
        """The cleaned text; "" if a step drops the document, or if only white space is left of it."""
        self._counts["documents"] += 1
        self._counts["characters"] += len(text)
        for name, step in self._steps:
            before, text = text, step(text)
            if text != before:
                self._count(name, before, text, origin)
                if not text:
                    return ""
        if text.isspace() or not text:
            self._count("blank_documents", text, "", origin)
            return ""
        return text

    def take(self) -> dict[str, Any]:
        """The counts since the last call, as plain values for `add` and `report`. Counting starts again from zero."""
        counts, self._counts = self._counts, self._zero()
        return counts

    def _zero(self) -> dict[str, Any]:
        return zero([*(name for name, _ in self._steps), "blank_documents"])

    def _count(self, name: str, before: str, after: str, origin: str) -> None:
        counts = self._counts["steps"][name]
        counts["changed"] += 1
        counts["dropped"] += not after
        counts["removed"] += len(before) - len(after)
        if len(counts["examples"]) < MOST_EXAMPLES:
            before, after = excerpts(disguised(before, self._mask), disguised(after, self._mask))
            counts["examples"].append({"origin": origin, "before": before, "after": after})


def step_of(name: str, config: CleanConfig) -> Callable[[str], str]:
    """The step called `name`, with its settings filled in."""
    knobs = {knob: getattr(config, knob) for knob in _KNOBS[name]}
    return partial(STEPS[name], **knobs) if knobs else STEPS[name]


def _is_script(name: str) -> bool:
    """Whether Unicode has a script of that name."""
    try:
        return name.replace("_", "").isalpha() and bool(regex.compile(rf"\p{{Script={name}}}"))
    except regex.error:
        return False
