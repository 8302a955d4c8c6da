"""The dialect of a table (csv, tsv): the delimiter between its columns, and what its quotation marks mean.

Each possible dialect is tried on the first rows of the file and scored by what programs that write tables always do:
every row is as wide as the header; a closing quote stands before a delimiter or a line end; and a field is quoted because
it contains a delimiter, a quote or a line end, unless all texts are quoted. A dialect in which the quotes are needed wins
over one in which they are letters. Counting regular rows would not be enough: a column of quoted stories also looks
regular if each of their lines is taken for a row. Without evidence, the usual dialect of the file's suffix is taken.

CleverCSV (van den Burg, Nazabal and Sutton 2019) also scores the types of cells; here nearly all cells are prose.
"""

import csv
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from glassformer.corpora._formats.fields import column

TAB = "\t"
NEVER = "\udc00"
"""A delimiter that occurs in no text, so that each row is one field."""
COMMON = (TAB, "|", ";", ",")
"""The usual delimiters. If several fit, the first of them is taken, since commas are also common inside texts."""
RARE = (":", "^", "~", "\x1f", " ")
"""Delimiters that are tried only if the first line, divided by them, names the text column: `id:text`."""
LINE_ENDS = "\r\n\udc0d\udc0a"
"""Line ends, and the characters by which `table` replaces those that do not end a line of the file."""
NAME = re.compile(r"\w(?:[\w.-]{0,62}\w)?")
"""A word that can be the name of a column. Anything else could be a text."""
NUMBER = re.compile(r"\s*[-+]?[\d.,]*([eE][-+]?\d+)?\s*|(?i:true|false|null|nan|none)")
"""A cell without text: a number, a missing value, or nothing."""
DAMAGED = 2
"""Up to this many stray quotes in the first rows count as damage. More of them mean that quotes are not for quoting."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Dialect(NamedTuple):
    """How the rows of a table are written."""

    delimiter: str
    quote: str = '"'
    """The quotation mark, which is doubled inside a quoted field; "" if quotation marks are part of the text."""
    escapes: bool = False
    """Whether a backslash makes the next character a part of the text."""
    spaced: bool = False
    """Whether the spaces after a delimiter belong to it, as people write by hand: `id, text`."""

    def arguments(self) -> dict[str, Any]:
        """The dialect as arguments of `csv.reader`."""
        return {
            "delimiter": self.delimiter, "quotechar": self.quote or None, "escapechar": "\\" if self.escapes else None,
            "quoting": csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE, "skipinitialspace": self.spaced, "strict": True,
        }  # fmt: skip

    def told(self, usual: str, width: int) -> list[str]:
        """What the note of a document says about the dialect: only what differs from the usual one."""
        tells = []
        if width > 1 and self.delimiter != usual:
            tells.append(f"with {'tabs' if self.delimiter == TAB else repr(self.delimiter)} between columns")
        if self.quote != '"':
            tells.append("with ' as the quotation mark" if self.quote else "with quotation marks as they stand")
        if self.escapes:
            tells.append("with backslashes as escapes")
        if self.spaced:
            tells.append("without the spaces after delimiters")
        return tells


class Evidence:
    """Counts of what a dialect makes of the first rows of a file."""

    def __init__(self, sample: str, is_whole: bool, dialect: Dialect) -> None:
        self.header: tuple[str, ...] = ()
        """The first row."""
        self.n_rows = self.n_bad = 0
        """The other rows, and how many of them have another width than the header or a quote that does not close."""
        self.n_quoted = self.n_needed = 0
        """Quoted fields, and fields that could not be written without their quotes or escapes."""
        self.n_stray = self.n_inner = self.n_bare = 0
        """Fields with an opening quote only, unquoted fields with a quote inside, and texts that are not quoted."""
        self._dialect = dialect
        self._count(sample, is_whole)

    @property
    def is_perfect(self) -> bool:
        """Whether a program that quotes fields only if it has to can have written this."""
        return not (self.n_bad or self.n_stray or self.n_inner)

    @property
    def is_quoting(self) -> bool:
        """Whether quotation marks quote fields, and are not a part of the texts.

        Files with tabs are often written without quoting. There, more than one stray quote in ten quoted fields is
        evidence against quoting, and so is a quoted text that does not need its quotes next to texts without quotes. In
        files with commas, a few stray quotes are damage.
        """
        if self._dialect.delimiter in (",", ";"):
            return self.n_stray <= max(DAMAGED, self.n_quoted // 10)
        needless = self.n_quoted > 0 and self.n_needed == 0 and self.n_bare > 0
        return self.n_stray <= self.n_quoted // 10 and not needless

    @property
    def is_spaced(self) -> bool:
        """Whether a space follows each delimiter of the header."""
        return len(self.header) > 1 and all(name.startswith(" ") for name in self.header[1:])

    def header_score(self, text_field: str) -> int:
        """How much the first row looks like a header: 3 if it names the text field, 2 if it has only names, else 1."""
        if column(list(self.header), [], text_field):
            return 3
        return 2 if self.header and all(map(NAME.fullmatch, self.header[not self.header[0] :])) else 1

    def score(self, text_field: str) -> tuple[float, ...]:
        """The higher of two is the better dialect. The parts come in the order of their weight."""
        share_bad = self.n_bad / max(1, self.n_rows)
        return self.header_score(text_field), self.n_needed > 0, -share_bad, len(self.header) > 1

    def _count(self, sample: str, is_whole: bool) -> None:
        fields, unclosed = _patterns(self._dialect)
        row: list[str] = []
        n_stray = 0
        for field in fields.finditer(sample):
            quoted, plain, end = field["quoted"], field["plain"], field["end"]
            if quoted is None and plain.startswith(self._dialect.quote or NEVER):
                if not is_whole and unclosed.match(sample, field.start()):
                    return  # the sample ends inside this field
                self.n_stray += 1
            elif quoted is None:
                bare = _ESCAPED.sub("", plain) if self._dialect.escapes else plain
                self.n_inner += (self._dialect.quote or NEVER) in bare
                self.n_bare += bool(self.header and not NUMBER.fullmatch(plain))
            else:
                self.n_quoted += bool(quoted)  # an empty one is quoted so that its row is not blank
            self._count_specials(quoted, plain)
            row.append(quoted if quoted is not None else plain)
            if end == self._dialect.delimiter:
                continue
            if row == [""] and quoted is None:
                pass  # a blank line
            elif not self.header:
                self.header = tuple(row)
            else:
                self.n_rows += 1
                self.n_bad += len(row) != len(self.header) or self.n_stray > n_stray
            row, n_stray = [], self.n_stray

    def _count_specials(self, quoted: str | None, plain: str | None) -> None:
        text = plain if quoted is None else quoted
        assert text is not None
        special = {self._dialect.delimiter, self._dialect.quote, *LINE_ENDS}
        if not self._dialect.escapes:
            self.n_needed += quoted is not None and not special.isdisjoint(text)
        elif "\\" in text:
            escaped = set(_ESCAPED.findall(text)) - {"\\"}
            self.n_needed += not escaped.isdisjoint((self._dialect.delimiter, self._dialect.quote))
            self.n_stray += not escaped <= special


def detect_dialect(sample: str, is_whole: bool, usual: str, text_field: str, given: str = "") -> Dialect:
    """The dialect of a file that begins with `sample`; `is_whole` says whether that is all of it.

    `usual` is the delimiter that the file's suffix stands for, and `given` the one that the file itself names, if any.
    """
    dialect = Dialect(given or usual)
    found = Evidence(sample, is_whole, dialect)
    is_sure = found.header_score(text_field) > 1 and len(found.header) > 1 and found.is_quoting and not found.n_bad
    if is_sure and not found.is_spaced:
        return dialect
    scores: list[tuple[tuple[float, ...], Dialect]] = []
    for rank, delimiter in enumerate([given] if given else (*COMMON, NEVER, *RARE)):
        if delimiter in RARE and any(score[0] == 3 for score, _ in scores):
            break  # a common delimiter explains the header
        if delimiter in sample or delimiter in (usual, NEVER, given):
            for dialect, found in _possible(sample, is_whole, delimiter, text_field):
                order = -rank if len(found.header) > 1 else (delimiter == usual) - rank / 100
                scores.append(((*found.score(text_field), order, -len(scores)), dialect))
    return max(scores)[1]


def _possible(sample: str, is_whole: bool, delimiter: str, text_field: str) -> Iterator[tuple[Dialect, Evidence]]:
    """The dialects with this delimiter that can have written the sample. Rare ones need evidence for themselves."""
    dialect = Dialect(delimiter)
    found = Evidence(sample, is_whole, dialect)
    if found.is_spaced and found.header_score(text_field) == 3:
        dialect = Dialect(delimiter, spaced=True)
        found = Evidence(sample, is_whole, dialect)
    if not found.is_quoting:
        dialect = dialect._replace(quote="")
        found = Evidence(sample, is_whole, dialect)
    if delimiter not in RARE or (found.is_perfect and len(found.header) > 1 and text_field in found.header):
        yield dialect, found
    for dialect, sign in ((Dialect(delimiter, quote="'"), "'"), (Dialect(delimiter, escapes=True), "\\")):
        if sign in sample and delimiter not in RARE:
            found = Evidence(sample, is_whole, dialect)
            if found.is_perfect and found.n_needed:
                yield dialect, found


@cache
def _patterns(dialect: Dialect) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A pattern that finds one field after another, and one for a quoted field that does not end."""
    delimiter, quote = re.escape(dialect.delimiter), dialect.quote
    escape, escaped = (r"\\", r"|\\.") if dialect.escapes else ("", "")
    inside = rf"(?:[^{quote}{escape}]++|{quote}{quote}{escaped})*+"
    quoted = rf"{quote}(?P<quoted>{inside}){quote}(?![^{delimiter}\r\n])" if quote else r"(?P<quoted>(?!))"
    plain = rf"(?P<plain>(?:[^{delimiter}\r\n{escape}]++{escaped})*+)"
    spaces = " *+" if dialect.spaced else ""
    fields = rf"{spaces}(?:{quoted}|{plain})(?P<end>{delimiter}|\r\n|\r|\n|\Z)"
    return re.compile(fields, re.DOTALL), re.compile(rf"{quote}{inside}\Z" if quote else "(?!)", re.DOTALL)
