"""How a table (csv, tsv) is written: what stands between its columns, and what its quotation marks mean.

A dialect is a guess, and the guess that divides most is not the best one: a column of quoted stories falls into regular
rows under every wrong reading too. So each dialect is tried on the first rows and judged by what a writer never does.
Writers give every row the width of the header. They close each quote in front of a delimiter or at the end of a row.
They quote a field because it holds a delimiter, a quotation mark or the end of a line, or they quote all texts. A dialect
that explains quotes in this way wins over one that takes them for letters, and a dialect without evidence is the usual.

CleverCSV (van den Burg, Nazabal and Sutton 2019) scores dialects by the types of cells too; here most cells are prose.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from glassformer.corpora._formats.fields import column

TAB = "\t"
NEVER = "\udc00"
"""A delimiter that no text holds: each row is one field."""
COMMON = (TAB, "|", ";", ",")
"""The rarer in texts first: of two that fit, a comma is more likely to be a part of the texts."""
LINE_ENDS = "\r\n\udc0d\udc0a"
"""The ends of lines, and what `table` writes for a carriage return or line feed that ends none."""
RARE = (":", "^", "~", "\x1f", " ")
"""Tried where the name that was asked for stands between them in the first line, as in `id:text`."""
NAME = re.compile(r"\w(?:[\w.-]{0,62}\w)?")
"""The name of a column beyond doubt; anything else may be a text."""
NUMBER = re.compile(r"\s*[-+]?[\d.,]*([eE][-+]?\d+)?\s*|(?i:true|false|null|nan|none)")
"""A number or nothing: no text."""
DAMAGED = 2
"""So many stray quotes in the first rows may be damage; more say that quotes are not for quoting."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Dialect(NamedTuple):
    """How rows are written. Lines of one file end alike (see `lines`)."""

    delimiter: str
    quote: str = '"'
    """The quotation mark, which is doubled inside of a quoted field; nothing where quotes are part of the text."""
    escapes: bool = False
    """Whether a backslash makes the character after it a part of the text."""
    spaced: bool = False
    """Whether spaces after a delimiter belong to it, as people write by hand: `id, text`."""

    def reader(self) -> dict[str, Any]:
        """The arguments of `csv.reader`."""
        form = {"delimiter": self.delimiter, "escapechar": "\\" if self.escapes else None}
        form |= {"strict": True, "skipinitialspace": self.spaced}
        if not self.quote:
            return form | {"quoting": 3, "quotechar": None}  # csv.QUOTE_NONE
        return form | {"quoting": 0, "quotechar": self.quote}

    def told(self, usual: str, width: int) -> list[str]:
        """What the note of a document says of it: nothing of what is usual."""
        tells = []
        if width > 1 and self.delimiter != usual:
            tells.append(
                "with tabs between columns" if self.delimiter == "\t" else f"with {self.delimiter!r} between columns"
            )
        if self.quote != '"':
            tells.append("with ' as the quotation mark" if self.quote else "with quotation marks as they stand")
        if self.escapes:
            tells.append("with backslashes as escapes")
        if self.spaced:
            tells.append("without the spaces after delimiters")
        return tells


class Evidence:
    """What a dialect makes of the first rows of a file."""

    def __init__(self, sample: str, is_whole: bool, dialect: Dialect) -> None:
        self.header: tuple[str, ...] = ()
        self.n_rows = self.n_bad = 0
        """Rows below the header, and those that are not as wide as it or hold a quote that does not close."""
        self.n_quoted = self.n_needed = 0
        """Quoted fields, and those that were quoted or escaped because they had to be."""
        self.n_stray = self.n_inner = self.n_bare = 0
        """Fields that a quote opens and none closes, those that only hold one, and texts without any."""
        self._dialect = dialect
        self._count(sample, is_whole)

    @property
    def is_perfect(self) -> bool:
        """Whether a program that quotes only where it must can have written all of it."""
        return not (self.n_bad or self.n_stray or self.n_inner)

    @property
    def quotes(self) -> bool:
        """Whether quotation marks quote, and are not a part of the texts.

        Files with tabs are often written without any quoting. There a single stray quote counts, and so does a quoted
        text that needs no quotes beside texts without. In a comma separated file both are damage, if they are rare.
        """
        if self._dialect.delimiter in (",", ";"):
            return self.n_stray <= max(DAMAGED, self.n_quoted // 10)
        needless = self.n_quoted > 0 and self.n_needed == 0 and self.n_bare > 0
        return self.n_stray <= self.n_quoted // 10 and not needless

    @property
    def is_spaced(self) -> bool:
        """Whether each delimiter of the header is followed by a space."""
        return len(self.header) > 1 and all(name.startswith(" ") for name in self.header[1:])

    @property
    def share_bad(self) -> float:
        return self.n_bad / max(1, self.n_rows)

    def kind(self, text_field: str) -> int:
        """How sure the first row is a header: 3 if it names the column asked for, 2 if it holds names alone, else 1."""
        if column(list(self.header), [], text_field):
            return 3
        return 2 if self.header and all(map(NAME.fullmatch, self.header[not self.header[0] :])) else 1

    def _count(self, sample: str, is_whole: bool) -> None:
        fields, unclosed = _patterns(self._dialect)
        row: list[str] = []
        n_stray = 0
        for field in fields.finditer(sample):
            quoted, plain, end = field["quoted"], field["plain"], field["end"]
            if quoted is None and plain.startswith(self._dialect.quote or NEVER):
                if not is_whole and unclosed.match(sample, field.start()):
                    return  # the sample ends in this field
                self.n_stray += 1
            elif quoted is None:
                bare = _ESCAPED.sub("", plain) if self._dialect.escapes else plain
                self.n_inner += (self._dialect.quote or NEVER) in bare
                self.n_bare += bool(self.header and not NUMBER.fullmatch(plain))
            else:
                self.n_quoted += bool(quoted)  # an empty field is quoted where its row would be a blank line
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


def dialect(sample: str, is_whole: bool, usual: str, text_field: str, given: str = "") -> Dialect:
    """The dialect of a file that begins with `sample`, of which `is_whole` says whether it is all of it.

    `usual` is the delimiter by the file's suffix, `given` the one that the file itself names, if it does.
    """
    form = Dialect(given or usual)
    usually = Evidence(sample, is_whole, form)
    is_sure = usually.kind(text_field) > 1 and len(usually.header) > 1 and usually.quotes and not usually.n_bad
    if is_sure and not usually.is_spaced:
        return form
    tries = []
    for rank, delimiter in enumerate([given] if given else (*COMMON, NEVER, *RARE)):
        if delimiter in RARE and any(judged[0] == 3 for judged, _ in tries):
            break
        if delimiter in sample or delimiter in (usual, NEVER, given):
            for form, found in _possible(sample, is_whole, delimiter, text_field):
                order = -rank if len(found.header) > 1 else (delimiter == usual) - rank / 100
                judged = found.n_needed > 0, -found.share_bad, len(found.header) > 1, order, -len(tries)
                tries.append(((found.kind(text_field), *judged), form))
    return max(tries)[1]


def _possible(sample: str, is_whole: bool, delimiter: str, text_field: str) -> Iterator[tuple[Dialect, Evidence]]:
    """The dialects with this delimiter in which the sample may be written. The rarer ones have to show more."""
    form = Dialect(delimiter)
    found = Evidence(sample, is_whole, form)
    if found.is_spaced and found.kind(text_field) == 3:
        form = Dialect(delimiter, spaced=True)
        found = Evidence(sample, is_whole, form)
    if not found.quotes:
        form = form._replace(quote="")
        found = Evidence(sample, is_whole, form)
    if delimiter not in RARE or (found.is_perfect and len(found.header) > 1 and text_field in found.header):
        yield form, found
    for form, sign in ((Dialect(delimiter, quote="'"), "'"), (Dialect(delimiter, escapes=True), "\\")):
        if sign in sample and delimiter not in RARE:
            found = Evidence(sample, is_whole, form)
            if found.is_perfect and found.n_needed:
                yield form, found


@cache
def _patterns(form: Dialect) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """One that finds field after field, and one for a quoted field without an end."""
    delimiter, quote = re.escape(form.delimiter), form.quote
    escape, escaped = (r"\\", r"|\\.") if form.escapes else ("", "")
    inside = rf"(?:[^{quote}{escape}]++|{quote}{quote}{escaped})*+"
    quoted = rf"{quote}(?P<quoted>{inside}){quote}(?![^{delimiter}\r\n])" if quote else r"(?P<quoted>(?!))"
    plain = rf"(?P<plain>(?:[^{delimiter}\r\n{escape}]++{escaped})*+)"
    spaces = " *+" if form.spaced else ""
    fields = rf"{spaces}(?:{quoted}|{plain})(?P<end>{delimiter}|\r\n|\r|\n|\Z)"
    return re.compile(fields, re.DOTALL), re.compile(rf"{quote}{inside}\Z" if quote else "(?!)", re.DOTALL)
