"""JSON lines (jsonl, ndjson): each line a string or an object, each a document; a broken line costs only itself."""

import json
from collections.abc import Iterator
from typing import BinaryIO

from glassformer.corpora import Document, Skipped
from glassformer.corpora._formats import pieces
from glassformer.corpora._formats.encoding import Utf8, utf8
from glassformer.corpora._formats.fields import no_text, text_of
from glassformer.corpora._formats.knobs import Knobs


def read(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Document]:
    """One document or `Skipped` for each line that is not blank. Origins: `talk.jsonl:12`."""
    source, number = utf8(file, knobs.encoding), 0
    while line := source.file.readline(pieces.PIECE_BYTES):
        number += 1
        place = f"{origin}:{number}"
        if len(line) == pieces.PIECE_BYTES and not line.endswith(b"\n"):
            while (rest := source.file.readline(pieces.PIECE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield Skipped.because(place, "is too long a line", f" (over {pieces.PIECE_BYTES:,} bytes); split it")
        elif line.strip():
            yield _document(line, place, source, knobs.text_field)


def _document(line: bytes, origin: str, source: Utf8, text_field: str) -> Document:
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        return Skipped.because(origin, *source.invalid)
    except (ValueError, RecursionError) as error:
        return Skipped.because(origin, "is not valid JSON", f" ({why(error)}); repair or delete the line")
    text = text_of(value, text_field)
    if text is None:
        return no_text(value, text_field, origin)
    return Document(text, origin, note=source.note) if text.strip() else Skipped.because(origin, "is empty")


def why(error: Exception) -> str:
    """What a JSON parser says, without its place."""
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error).partition(";")[0]
