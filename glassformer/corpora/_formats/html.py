"""Web pages (html): their text, one line per block. Scripts, styles and other parts that nobody reads are dropped."""

import codecs
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import BinaryIO

from glassformer.corpora import Document, Skipped
from glassformer.corpora._formats import pieces
from glassformer.corpora._formats.encoding import utf8
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.stream import Unreadable

DROPPED = {"script", "style", "template", "noscript", "svg", "iframe", "object"}
BLOCKS = set(
    "address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li main menu nav ol option p pre search section "
    "summary table tbody tfoot thead title tr ul".split()
)
CELLS = {"td", "th"}
CHUNK = 1 << 16
_SPACE = re.compile(r"[ \t\r\n\f]+")
_UNDECODED = re.compile("[\udc80-\udcff]")


def read(file: BinaryIO, origin: str, knobs: Knobs) -> Iterator[Document]:
    """One document a page, cut where it is long; a `Skipped` where something had to be left out."""
    source, page, size = utf8(file, knobs.encoding), _Page(), CHUNK
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    broken = None
    while True:
        try:
            data = source.file.read(size)
        except (Unreadable, OSError) as error:
            data, broken = b"", error
        if not data:
            break
        page.feed(decoder.decode(data))
        size = max(CHUNK, len(page.rawdata))  # what waits is scanned again: doubling keeps that linear
        if size > pieces.PIECE_BYTES:
            break
        if page.n_characters > pieces.PIECE_BYTES // 4:
            if not page.has_lines:
                page.end_line()
            yield from pieces.documents(page.take(), origin, source.note)
    page.feed(decoder.decode(b"", final=True))
    line = page.getpos()[0]
    inside = page.inside if page.inside or len(page.rawdata) <= CHUNK else "a tag"
    if not inside:
        page.close()
    page.end_line()
    yield from pieces.documents(page.take(), origin, source.note)
    if inside:
        yield Skipped.because(f"{origin}:{line}", "does not close its tags", f" (it ends inside {inside}); repair it")
    for bad in page.undecoded:
        yield Skipped.because(f"{origin}:{bad}", *source.invalid)
    if broken:
        raise broken


class _Page(HTMLParser):
    """Collects the lines of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.undecoded: list[int] = []
        """The line numbers of text that could not be decoded."""
        self.n_characters = 0
        self._lines: list[str] = []
        self._line: list[str] = []
        self._dropping, self._depth, self._verbatim = "", 0, 0

    @property
    def inside(self) -> str:
        """The element whose content is being dropped; "" if there is none."""
        return f"<{self._dropping}>" if self._dropping else ""

    @property
    def has_lines(self) -> bool:
        """Whether `take` would return any text."""
        return bool(self._lines)

    def take(self) -> str:
        """The lines that have ended so far, which are then forgotten."""
        text = "\n".join(self._lines)
        self._lines, self.n_characters = [], 0
        return text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._dropping:
            self._depth += tag == self._dropping
        elif tag in DROPPED:
            self._dropping, self._depth = tag, 1
        else:
            self._between(tag)
            self._verbatim += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if self._dropping:
            self._depth -= tag == self._dropping
            if not self._depth:
                self._dropping = ""
        else:
            self._between(tag)
            self._verbatim = max(0, self._verbatim - (tag == "pre"))

    def handle_data(self, data: str) -> None:
        if self._dropping:
            return
        if _UNDECODED.search(data):
            self.undecoded.append(self.getpos()[0])
            return
        self.n_characters += len(data)
        if not self._verbatim:
            self._line.append(data)
            return
        first, *rest = data.split("\n")
        self._line.append(first)
        for part in rest:
            self.end_line()
            self._line.append(part)

    def parse_html_declaration(self, i: int) -> int:
        """By the HTML standard, what is not a valid declaration is a comment. (The standard library raises an
        error.)"""
        try:
            return super().parse_html_declaration(i)
        except AssertionError:
            return self.parse_bogus_comment(i)

    def _between(self, tag: str) -> None:
        if tag in BLOCKS:
            self.end_line()
        elif tag in CELLS:
            self._line.append(" ")

    def end_line(self) -> None:
        """End the line: what comes next begins a new one."""
        text = "".join(self._line)
        text = text.rstrip() if self._verbatim else _SPACE.sub(" ", text).strip()
        self._line = []
        if text or self._verbatim:
            self._lines.append(text)
