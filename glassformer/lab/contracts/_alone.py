"""Kinds of parts that are tested alone: the part with its default settings is the only case."""

from typing import Any

from glassformer.lab.contracts.parts import Part


def cases(part: Part) -> tuple[list[Any], str]:
    """The part itself. Raises SettingError if a setting has no default."""
    return [part.variant()], ""


def label(case: Any) -> str:
    """There is only one case, so it needs no name."""
    return ""
