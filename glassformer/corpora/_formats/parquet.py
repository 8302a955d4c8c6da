"""Parquet: a document in each row's text column, read a few rows at a time (pyarrow, loaded when it is needed)."""

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from glassformer.corpora import Document, Skipped
from glassformer.corpora._extra import needed_for
from glassformer.corpora._formats import pieces
from glassformer.corpora._formats.fields import column, missing
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.limits import refuse_bomb
from glassformer.corpora._formats.stream import Unreadable

ROWS = 256
"""Rows decoded at a time."""


def read(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Document]:
    """One document or `Skipped` for each row, cut where it is long. Origins count rows from 1: `x.parquet:1024`.

    Raises CorpusError when pyarrow is not installed.
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
    with needed_for(origin):
        import pyarrow
        import pyarrow.parquet
    number = 0
    try:
        table = pyarrow.parquet.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
        name = _text_column(table.schema_arrow, pyarrow.types, knobs.text_field)
        _refuse_bombs(table.metadata, name, knobs)
        for batch in table.iter_batches(batch_size=ROWS, columns=[name], use_threads=False):
            for text in batch.column(0).to_pylist():
                number += 1
                yield from _row(text, f"{origin}:{number}")
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        first = str(error).partition("\n")[0][:200]
        after = f" after row {number}" if number else ""
        raise Unreadable("is not a whole Parquet file", f" ({first}){after}; fetch or write it again") from None


def _row(text: str | None, origin: str) -> Iterator[Document]:
    if text is None or not text.strip():
        yield Skipped.because(origin, "is empty")
    else:
        yield from pieces.documents(text, origin)


def _text_column(schema: Any, types: Any, text_field: str) -> str:
    def holds_text(kind: Any) -> bool:
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return types.is_string(kind) or types.is_large_string(kind)

    texts = [field.name for field in schema if holds_text(field.type)]
    name = column(texts, texts, text_field)
    if name is None:
        raise Unreadable("has no column", missing(text_field, schema.names))
    return name


def _refuse_bombs(metadata: Any, name: str, knobs: Knobs) -> None:
    """Raises Unreadable when a row group says that its text unpacks to far more than it takes."""
    for group in range(metadata.num_row_groups):
        columns = metadata.row_group(group)
        for i in range(columns.num_columns):
            chunk = columns.column(i)
            if chunk.path_in_schema == name:
                refuse_bomb(chunk.total_uncompressed_size, chunk.total_compressed_size, knobs)
