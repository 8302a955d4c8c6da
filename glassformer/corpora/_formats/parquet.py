"""Parquet: each row of the text column is a document; a few rows are read at a time, by pyarrow.

Columns of text have many types: `string`, `large_string`, `string_view` (polars), a dictionary of these (the categories
of pandas), a list of these (its strings become lines, and the note says so), and bytes (older versions of Spark).
"""

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from glassformer.corpora import Document, Skipped
from glassformer.corpora._formats import pieces
from glassformer.corpora._formats.fields import JOINED, column, listed, missing, shown
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.limits import refuse_bomb
from glassformer.corpora._formats.stream import Unreadable
from glassformer.system.extra import needed_for

ROWS = 256
"""How many rows are decoded at a time, at most; fewer if they are long."""


def read(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Document]:
    """One document or `Skipped` for each row; long texts are cut. Origins name the row, counted from 1:
    `x.parquet:1024`.

    Raises MissingPackage if pyarrow is not installed.
    """
    if file.seekable():
        yield from _rows(file, origin, knobs)
        return
    with TemporaryFile() as copy:  # its table of contents is at the end
        while data := file.read(1 << 20):
            copy.write(data)
        copy.seek(0)
        yield from _rows(copy, origin, knobs)


def _rows(file: Any, origin: str, knobs: Knobs) -> Iterator[Document]:
    with needed_for(f"reading {origin}", "data"):
        import pyarrow
        import pyarrow.parquet
    number = 0
    try:
        table = pyarrow.parquet.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
        name = _text_column(table.schema_arrow, pyarrow, knobs.text_field)
        per_row = _size(table.metadata, name, knobs) / max(1, table.metadata.num_rows)
        n_rows = max(1, min(ROWS, int(pieces.VALUE_BYTES / max(1, per_row))))
        how = [] if name == knobs.text_field else [f"from the column {shown(name)}"]
        for batch in table.iter_batches(batch_size=n_rows, columns=[name], use_threads=False):
            column = batch.column(batch.schema.names.index(name))  # `a.b` is a column, and the field b of a column a
            for value in _values(column):
                number += 1
                yield from _row(value, f"{origin}:{number}", how)
    except (pyarrow.ArrowException, OSError) as error:
        first = str(error).partition("\n")[0][:200]
        after = f" after row {number}" if number else ""
        raise Unreadable("is not a whole Parquet file", f" ({first}){after}; fetch or write it again") from None


def _values(column: Any) -> Iterator[Any]:
    """The values of a column; bytes for a string that is not UTF-8."""
    try:
        yield from column.to_pylist()
    except UnicodeDecodeError:
        for value in column:
            try:
                yield value.as_py()
            except UnicodeDecodeError:
                yield b"\xff"


def _row(value: Any, origin: str, how: list[str]) -> Iterator[Document]:
    if isinstance(value, list):
        value, how = "\n".join(part for part in value if part is not None), [*how, JOINED]
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            yield Skipped.because(origin, "is not valid UTF-8", "; write the column as strings")
            return
    if value is None or not value.strip():
        yield Skipped.because(origin, "is empty")
    else:
        yield from pieces.documents(value, origin, f"was read {', '.join(how)}" if how else "")


def _text_column(schema: Any, arrow: Any, text_field: str) -> str:
    """The column of text: of strings, or of lists of strings. Bytes are text if the column has the name asked for."""
    kinds = {field.name: _kind(field.type, arrow) for field in reversed(schema)}
    if text_field in kinds:
        if not kinds[text_field]:
            kind = str(schema.types[schema.names.index(text_field)])[:60]
            there = f" {shown(text_field)}, but {kind} (there is: {listed(schema.names)}); set corpus.text_field"
            raise Unreadable("has no text in its column", there)
        return text_field
    strings = [name for name in schema.names if kinds[name] == "string"]
    texts = strings or [name for name in schema.names if kinds[name] == "list"]
    name = column(texts, texts, text_field)
    if name is None:
        raise Unreadable("has no column", missing(text_field, schema.names))
    return name


def _kind(type: Any, arrow: Any) -> str:
    """`string`, `list` (of strings), `bytes` or `null`; "" for a type that holds no text."""
    if isinstance(type, arrow.BaseExtensionType):
        return _kind(type.storage_type, arrow)
    if arrow.types.is_dictionary(type):
        return _kind(type.value_type, arrow)
    if hasattr(type, "value_type"):  # the kinds of lists
        return "list" if _kind(type.value_type, arrow) == "string" else ""
    name = str(type)
    if name in ("string", "large_string", "string_view"):
        return "string"
    return "bytes" if "binary" in name else "null" if name == "null" else ""


def _size(metadata: Any, name: str, knobs: Knobs) -> int:
    """Unpacked bytes of a column. Raises Unreadable if a row group of it would unpack to far more than its size."""
    size = 0
    for group in range(metadata.num_row_groups):
        columns = metadata.row_group(group)
        for i in range(columns.num_columns):
            chunk = columns.column(i)
            if chunk.path_in_schema == name or chunk.path_in_schema.startswith(f"{name}."):
                refuse_bomb(chunk.total_uncompressed_size, chunk.total_compressed_size, knobs)
                size += chunk.total_uncompressed_size
    return size
