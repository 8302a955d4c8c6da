"""Plain text of any kind (txt, md, py, ...): one document; a long one is cut at blank lines."""

from collections.abc import Iterator
from typing import BinaryIO

from glassformer.corpora import Document, Skipped
from glassformer.corpora._formats import pieces
from glassformer.corpora._formats.encoding import Utf8, utf8
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.lines import end_with_returns


def read(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Document]:
    """The text as one document, or as several if it is long. Left out are its byte order mark, blank pieces, and lines
    with bytes that cannot be decoded; for each such line a `Skipped` comes before its piece. Origins: `a.txt`,
    `a.txt:90210`.
    """
    source, line = utf8(file, knobs.encoding), 1
    data = source.file.read(pieces.PIECE_BYTES + 1)
    while data:
        size = pieces.paragraphs(data) if len(data) > pieces.PIECE_BYTES else len(data)
        piece = data[:size]
        try:
            text = piece.decode()
        except UnicodeDecodeError:
            text, bad = _good_lines(piece, line, origin, source)
            yield from bad
        if text.strip():
            yield Document(text, origin if line == 1 else f"{origin}:{line}", note=source.note)
        line += piece.count(b"\n")
        data = data[size:] + source.file.read(pieces.PIECE_BYTES + 1 - len(data) + size)


def _good_lines(piece: bytes, line: int, origin: str, source: Utf8) -> tuple[str, list[Skipped]]:
    end = b"\r" if end_with_returns(piece) else b"\n"
    good, bad = [], []
    for number, part in enumerate(piece.split(end), line):
        try:
            good.append(part.decode())
        except UnicodeDecodeError:
            bad.append(Skipped.because(f"{origin}:{number}", *source.invalid))
    return end.decode().join(good), bad
