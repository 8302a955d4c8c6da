"""Long texts are cut into pieces, where a reader would pause, so that memory stays small."""

from collections.abc import Iterable, Iterator

from glassformer.corpora import Document

PIECE_BYTES = 8_000_000
"""The longest document, in UTF-8 bytes; longer texts are cut."""
VALUE_BYTES = 8 * PIECE_BYTES
"""The longest line, row or value that is held in memory. A longer one is skipped, and the next one is read."""


def paragraphs(data: bytes) -> int:
    """Where to cut within the first PIECE_BYTES bytes: after a blank line, else after a line, a space, or a
    character."""
    for end in (b"\n\n", b"\n\r\n", b"\n", b" "):
        cut = data.rfind(end, PIECE_BYTES // 2, PIECE_BYTES)
        if cut >= 0:
            return cut + len(end)
    cut = PIECE_BYTES
    while cut > PIECE_BYTES - 4 and data[cut] & 0xC0 == 0x80:
        cut -= 1
    return cut


def documents(text: str, origin: str, note: str = "") -> Iterable[Document]:
    """The text as documents of at most PIECE_BYTES each, without blank ones."""
    if len(text) > PIECE_BYTES // 4:  # a character takes at most four bytes
        return _cut(text, origin, note)
    return [Document(text, origin, note=note)] if text.strip() else []


def _cut(text: str, origin: str, note: str) -> Iterator[Document]:
    data = text.encode("utf-8", "surrogatepass")
    while data:
        size = paragraphs(data) if len(data) > PIECE_BYTES else len(data)
        piece = data[:size].decode("utf-8", "surrogatepass")
        if piece.strip():
            yield Document(piece, origin, note=note)
        data = data[size:]
