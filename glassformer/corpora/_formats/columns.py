"""The columns of a table: whether its first row names them, and which of them holds the text."""

import re
from typing import NamedTuple

from glassformer.corpora._formats.dialect import NAME, NUMBER
from glassformer.corpora._formats.fields import column, missing, shown
from glassformer.corpora._formats.stream import Unreadable

WITHOUT_HEADER = "without a header, the first row as a text"
"""The note for a table whose first row is not a header."""
_LONGEST_NAME = 64
_MOST_WORDS = 6
_SENTENCE = re.compile(r".*([.!?…]|[.!?…][\"'”’»)])\s*", re.DOTALL)


class Columns(NamedTuple):
    """The columns of a table, as its first rows show them."""

    width: int
    text: int
    """The number of the column that holds the text, from 0."""
    has_header: bool
    told: tuple[str, ...]
    """What the note of a document says about the choice; empty if the header names the column that was asked for."""


def detect_columns(rows: list[list[str]], text_field: str) -> Columns:
    """The columns of a table that begins with these rows. Raises Unreadable if it is not clear which one is the text."""
    first, others = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    has_header = is_header(first, others, text_field)
    below = others if has_header else [first, *others]
    texts = [i for i in range(len(first)) if not all(NUMBER.fullmatch(row[i]) for row in below)]
    if len(texts) > 1:
        texts = [i for i in texts if not all(_is_measure(row[i]) or not row[i].strip() for row in below)]
    names = [name.strip() for name in first] if has_header else []
    name = column(names, [names[i] for i in texts] if has_header else [], text_field)
    if name is not None:
        told = () if name == text_field else (f"from the column {shown(name)}",)
        return Columns(len(first), names.index(name), has_header, told)
    if text_field.isdecimal() and 1 <= int(text_field) <= len(first):
        return Columns(len(first), int(text_field) - 1, has_header, () if has_header else (WITHOUT_HEADER,))
    if len(first) == 1:
        return Columns(1, 0, has_header, (f"from the column {shown(first[0])}",) if has_header else (WITHOUT_HEADER,))
    if has_header:
        raise Unreadable("has no column", missing(text_field, names))
    if len(texts) == 1:
        return Columns(len(first), texts[0], False, (WITHOUT_HEADER,))
    longest = 1 + max(range(len(first)), key=lambda i: sum(len(row[i]) for row in below))
    remedy = f"put a row of names above it, or give the text's column by number, as corpus.text_field={longest}"
    raise Unreadable("has no header", f" and {len(texts) or 'no'} columns of text; {remedy}")


def is_header(first: list[str], others: list[list[str]], text_field: str) -> bool:
    """Whether the first row of a table holds the names of its columns.

    It does if it holds the name that was asked for, or a word above a column of numbers. It does not if it holds a number,
    a sentence, or a value that its column holds again. In doubt it does, as in most tables; but a row with a single field
    is a header only if that is one word.
    """
    names = [name.strip() for name in first]
    if column(names, [], text_field):
        return True
    named = names[1:] if not names[0] else names  # pandas and R leave the name of the first column empty
    if named == [str(i) for i in range(len(named))]:  # pandas numbers columns without names
        return bool(named)
    if len(names) == 1 and not NAME.fullmatch(first[0]):
        return False
    if not any(named) or any(name and NUMBER.fullmatch(name) for name in named):
        return False
    if any(names[i] and others and all(_is_measure(row[i]) for row in others) for i in range(len(names))):
        return True
    again = any(names[i] and any(row[i].strip() == names[i] for row in others) for i in range(len(names)))
    return not again and not any(map(_is_sentence, named))


def _is_measure(cell: str) -> bool:
    """Whether a cell is a number, a date or a time: mostly digits."""
    return bool(cell.strip()) and sum(map(str.isdigit, cell)) >= 0.4 * len(cell)


def _is_sentence(cell: str) -> bool:
    """Whether a cell is too long for a name, or ends like a sentence."""
    too_long = len(cell) > _LONGEST_NAME or len(cell.split()) > _MOST_WORDS
    return too_long or "\n" in cell or bool(_SENTENCE.fullmatch(cell))
