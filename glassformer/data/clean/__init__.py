"""Cleaning: what is removed from a text before a model sees it, one small function a step, each of them counted.

The default steps repair what is never meant (mixed line ends, control characters, two spellings of one letter) and are
gentle enough for code: tinyshakespeare comes through byte for byte, and Python compiles as before. Which steps run, in
which order, is `CleanConfig.steps`; what each one changed, with examples, is in the dataset's index.

The steps are in `characters`, `lines`, `documents` (these drop whole ones) and `personal`; `report` adds up the counts.
A step is a function from text to text. A further parameter of it is named like the setting that fills it.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from glassformer.config import Config, suggestion
from glassformer.data.clean.characters import control_characters, newlines, unicode, white_space
from glassformer.data.clean.documents import length
from glassformer.data.clean.lines import blank_lines, trailing_space
from glassformer.data.clean.report import MOST_EXAMPLES, StepReport, add, dropped, excerpts, report, zero

__all__ = ["STEPS", "CleanConfig", "Cleaner", "StepReport", "add", "dropped", "report"]

STEPS: dict[str, Callable[..., str]] = {
    step.__name__: step
    for step in (newlines, control_characters, unicode, white_space, blank_lines, trailing_space, length)
}
_KNOBS = {name: list(inspect.signature(step).parameters)[1:] for name, step in STEPS.items()}


class CleanConfig(Config):
    """Which cleaning steps run, and how strict they are."""

    steps: tuple[str, ...] = ("newlines", "control_characters", "unicode", "blank_lines")
    """Cleaning steps, in order; the functions in data/clean/. Blank documents and exact repetitions always go."""
    min_characters: int = Field(default=0, ge=0)
    """Step `length`: shorter documents are dropped."""
    max_characters: int = Field(default=0, ge=0)
    """Step `length`: longer documents are cut or dropped; 0 is no limit."""
    long_documents: Literal["cut", "drop"] = "cut"
    """Step `length`: what happens to documents that are too long."""

    @field_validator("steps")
    @classmethod
    def _known_steps(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        for step in steps:
            if step not in STEPS:
                raise ValueError(f"there is no cleaning step '{step}'; {suggestion(step, list(STEPS))}")
            if steps.count(step) > 1:
                raise ValueError(f"the cleaning step '{step}' is there twice; name it once")
        return steps

    @model_validator(mode="after")
    def _no_idle_knobs(self) -> Self:
        for step, knobs in _KNOBS.items():
            for knob in knobs:
                if step not in self.steps and getattr(self, knob) != type(self).model_fields[knob].default:
                    raise ValueError(f"{knob} does nothing without the step '{step}'; add it to steps")
        return self


class Cleaner:
    """Applies the steps to one document after another, and counts. It can be pickled, for workers to clean with.

    >>> cleaner = Cleaner(CleanConfig(steps=("newlines",)))
    >>> cleaner("a\\r\\nb")
    'a\\nb'
    >>> report(cleaner.take())[0].changed
    1
    """

    def __init__(self, config: CleanConfig) -> None:
        self._steps = [(name, step_of(name, config)) for name in config.steps]
        self._counts = self._zero()

    def __call__(self, text: str, origin: str = "") -> str:
        """The cleaned text; "" when a step drops the document, as the last one does when only white space is left."""
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
        """The counts since the last call, as plain values for `add` and `report`; counting starts again from zero."""
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
            before, after = excerpts(before, after)
            counts["examples"].append({"origin": origin, "before": before, "after": after})


def step_of(name: str, config: CleanConfig) -> Callable[[str], str]:
    """The step with its settings filled in."""
    knobs = {knob: getattr(config, knob) for knob in _KNOBS[name]}
    return partial(STEPS[name], **knobs) if knobs else STEPS[name]
