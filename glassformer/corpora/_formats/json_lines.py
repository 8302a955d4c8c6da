"""JSON lines (jsonl, ndjson): each line is a string or an object, and a document. Of a broken line only itself is
lost."""

import json
from collections.abc import Iterator
from typing import BinaryIO

from glassformer.corpora import Document, Skipped
from glassformer.corpora._formats import fields, pieces
from glassformer.corpora._formats.encoding import Utf8, utf8
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.lines import is_part, lines


def read(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Document]:
    """One document or `Skipped` for each line that is not blank. Origins: `talk.jsonl:12`."""
    source = utf8(file, knobs.encoding)
    yield from fields.documents(_values(source, origin), knobs.text_field, source)


def _values(source: Utf8, origin: str) -> Iterator[fields.Value]:
    all_lines = lines(source.file)
    for number, line in enumerate(all_lines, 1):
        place = f"{origin}:{number}"
        if is_part(line):
            while is_part(line):  # to the end of this line
                line = next(all_lines, b"")
            long = Skipped.because(place, "is too long a line", f" (over {pieces.VALUE_BYTES:,} bytes); split it")
            yield place, long, 0
        elif line.strip():
            yield place, _value(line, place, source), len(line)


def _value(line: bytes, origin: str, source: Utf8) -> object:
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError:
        return Skipped.because(origin, *source.invalid)
    except (ValueError, RecursionError) as error:
        return Skipped.because(origin, "is not valid JSON", f" ({why(error)}); repair or delete the line")


def why(error: Exception) -> str:
    """The message of a JSON parser, without the place of the error."""
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error).partition(";")[0]
