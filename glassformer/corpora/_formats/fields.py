"""Which field of a record holds its text. The first records of a file decide that once for all of them.

It is the field that the user named (`corpus.text_field`), or else one of the same name in other letters (`Text`), or else
the only one that holds text. The last two are guesses, and the note of each document says so.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from glassformer.corpora import Document, Skipped
from glassformer.corpora._formats import pieces
from glassformer.corpora._formats.encoding import Utf8
from glassformer.corpora._formats.stream import first_items
from glassformer.corpora._walk import printable

DECIDED_BY = 1 << 20
"""How many bytes of records decide which field holds the text, if none of them has the field that was named."""
JOINED = "with the strings of each list as lines"
"""The note for a text that is a list of strings in its file."""

Value = tuple[str, Any, int]
"""The origin of a JSON value, the value itself (or a `Skipped` in its place), and its size in bytes."""


def documents(values: Iterator[Value], text_field: str, source: Utf8) -> Iterator[Document]:
    """One document for each JSON value, cut if it is long, or a `Skipped` that says why there is none."""
    first, rest = first_items(values, DECIDED_BY, lambda value: DECIDED_BY if _has(value[1], text_field) else value[2])
    field = _field([value for _, value, _ in first], text_field)
    guessed = [f"from the field {shown(field)}"]
    notes = source.told(), source.told(*guessed)
    for origin, value, _ in chain(first, rest):
        if isinstance(value, Skipped):
            yield value
            continue
        text, name, note = value, field, notes[0]
        if isinstance(value, dict):
            name = text_field if text_field in value else field
            text, note = value.get(name, value), notes[name != text_field]
        if isinstance(text, list) and text is not value and all(isinstance(part, str) for part in text):
            text, note = "\n".join(text), source.told(*guessed * (name != text_field), JOINED)
        if text is None or (isinstance(text, str) and not text.strip()):
            yield Skipped.because(origin, "is empty")
        elif isinstance(text, str):
            yield from pieces.documents(text, origin, note)
        else:
            yield _no_text(value, name, text_field, origin)


def _has(value: Any, field: str) -> bool:
    return isinstance(value, dict) and field in value


def _field(values: list[Any], text_field: str) -> str:
    """The field that holds the text in these first values; `text_field` if that is not clear."""
    records = [value for value in values if isinstance(value, dict)]
    names = list(dict.fromkeys(chain.from_iterable(records)))
    texts = [name for name in names if any(isinstance(record.get(name), str) for record in records)]
    return column(names, texts, text_field) or text_field


def _no_text(value: Any, name: str, text_field: str, origin: str) -> Skipped:
    """What takes the place of a JSON value without text."""
    if _has(value, name):
        return Skipped.because(origin, "has no text in its field", f" {shown(name)}, but {_kind(value[name])}")
    if name != text_field:
        there = f" {shown(name)}, which holds the text in this file (there is: {listed(value)})"
        return Skipped.because(origin, "has no field", there)
    return Skipped.because(origin, "has no field", missing(text_field, value if isinstance(value, dict) else [], value))


def column(names: list[str], texts: list[str], text_field: str) -> str | None:
    """Which of the columns `names` to read, if `texts` are those that hold text; None if that is not clear."""
    alike = [name for name in names if name.strip().casefold() == text_field.strip().casefold()]
    if text_field in alike or len(alike) == 1:
        return text_field if text_field in alike else alike[0]
    return texts[0] if len(texts) == 1 else None


def missing(text_field: str, names: Iterable[str], value: Any = None) -> str:
    """The detail of "has no field" or "has no column": what there is, and the remedy."""
    there = listed(names) if value is None or isinstance(value, dict) else _kind(value)
    return f" '{text_field}' and no other one alone holds text (there is: {there}); set corpus.text_field"


def shown(name: str) -> str:
    """The name of a field as a report shows it: on one line, and not too long."""
    return f"'{printable(name[:60])}'"


def listed(names: Iterable[str]) -> str:
    """The names of fields, in plain letters."""
    return ", ".join(map(ascii, names))[:200] or "nothing"


def _kind(value: Any) -> str:
    """What a value is in the words of JSON."""
    return {str: "a string", dict: "an object", list: "an array", type(None): "null", bool: "true or false"}.get(
        type(value), "a number"
    )
