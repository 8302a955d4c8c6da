"""What cleaning would do to a few documents, step by step, before a long preparation: `glass prepare --explain`."""

import difflib
import re
from dataclasses import dataclass

from rich.text import Text

from glassformer.data.clean import CleanConfig, step_of
from glassformer.data.clean.report import EXCERPT, excerpts

# What a terminal would obey or hide is shown: control characters by their pictures, the rest by number.
_VISIBLE = {code: 0x2400 + code for code in range(0x20)} | {0x0A: "⏎\n", 0x7F: 0x2421} | {
    code: f"<U+{code:04X}>"
    for code in (*range(0x80, 0xA1), *range(0x300, 0x370), *range(0x2000, 0x2010), 0x2028, 0x2029, 0x2060, 0xFEFF)
}  # fmt: skip
_WORDS = re.compile(r"\w+|[^\w\s]|\s")


@dataclass(frozen=True)
class Explained:
    """One document, and the steps that changed it."""

    origin: str
    before: str
    after: str
    """Empty when it is dropped."""
    changes: list[tuple[str, str, str]]
    """(step, the text before it, the text after it); the step that drops a document is the last, and leaves ""."""


def explain(config: CleanConfig, text: str, origin: str = "") -> Explained:
    """What the steps do to one document.

    >>> explain(CleanConfig(), "one\\r\\ntwo").changes
    [('newlines', 'one\\r\\ntwo', 'one\\ntwo')]
    """
    now, changes = text, []
    for name in config.steps:
        before, now = now, step_of(name, config)(now) if now else ""
        if now != before:
            changes.append((name, before, now))
    if not now.strip() and (now or not changes):
        changes.append(("blank_documents", now, ""))
    return Explained(origin, text, now if now.strip() else "", changes)


def page(document: Explained) -> Text:
    """A document's origin and size, and around the first change of each step what it alters."""
    size = f"  {len(document.before):,} characters" + (f" -> {len(document.after):,}" if document.changes else "")
    lines = [
        Text.assemble(
            (document.origin.translate(_VISIBLE), "bold"), size, ("" if document.changes else ", unchanged", "dim")
        )
    ]
    for name, before, after in document.changes:
        if after:
            lines.append(Text.assemble("  ", (name, "cyan"), f"  {len(after) - len(before):+,} characters"))
            lines.append(indented(difference(*excerpts(before, after))))
        else:
            lines.append(Text.assemble("  ", (name, "cyan"), ("  drops it", "red")))
            lines.append(indented(Text(excerpts(before, "")[0].translate(_VISIBLE), "dim")))
    return Text("\n").join(lines)


def difference(before: str, after: str) -> Text:
    """Two excerpts as one text: [-what goes-] and {+what comes+}, in colour where there is any, word by word."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    pieces = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    changes = [piece for piece in pieces if piece[0] != "equal"]
    if len(changes) > 1 and changes[-1] is pieces[-1] and EXCERPT in (len(before), len(after)):
        pieces.pop()  # there one excerpt only reaches further than the other
    shown = Text()
    for kind, a, b, c, d in pieces:
        gone, come = "".join(old[a:b]).translate(_VISIBLE), "".join(new[c:d]).translate(_VISIBLE)
        if kind == "equal":
            shown.append(gone, "dim")
            continue
        shown.append(f"[-{gone}-]" if gone else "", "red").append(f"{{+{come}+}}" if come else "", "green")
    return shown


def indented(text: Text) -> Text:
    """The text with four spaces before each line."""
    lines = text.split("\n", allow_blank=False)
    return Text("\n").join(Text("    ") + line for line in lines)
