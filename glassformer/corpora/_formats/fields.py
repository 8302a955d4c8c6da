"""Which field of a record is the text: the one that was named, or else the only one that can be."""

from collections.abc import Iterable
from typing import Any

from glassformer.corpora import Skipped


def text_of(value: Any, text_field: str) -> str | None:
    """The text of a JSON value: a string itself, an object's `text_field`, or its only field that is a string."""
    if isinstance(value, str):
        return value
    fields = value if isinstance(value, dict) else {}
    if isinstance(fields.get(text_field), str):
        return fields[text_field]
    texts = [text for text in fields.values() if isinstance(text, str)]
    return texts[0] if len(texts) == 1 else None


def no_text(value: Any, text_field: str, origin: str) -> Skipped:
    """What takes the place of a JSON value without text."""
    if isinstance(value, dict):
        return Skipped.because(origin, "has no field", missing(text_field, value))
    return Skipped.because(origin, "has no field", missing(text_field, [], f"a {type(value).__name__}"))


def column(names: list[str], texts: list[str], text_field: str) -> str | None:
    """The name of the column to read, of all `names` and those that hold `texts`."""
    if text_field in names:
        return text_field
    return texts[0] if len(texts) == 1 else None


def missing(text_field: str, names: Iterable[str], there: str = "") -> str:
    """The detail of "has no field" or "has no column": what there is, and the remedy."""
    there = there or ", ".join(map(ascii, names)) or "nothing"
    return f" '{text_field}' and no other one alone holds text (there is: {there[:200]}); set corpus.text_field"
