"""`glass prepare --explain` on a terminal: documents before and after cleaning, word by word."""

import difflib
import re

from rich.console import Console
from rich.text import Text

from glassformer.corpora import Corpus
from glassformer.data.clean import CleanConfig
from glassformer.data.clean.explain import SHOWN, Explained, preview
from glassformer.data.clean.report import EXCERPT, excerpts

# What a terminal would obey or hide is shown: control characters by their pictures, the rest by number.
_VISIBLE = {code: 0x2400 + code for code in range(0x20)} | {0x0A: "⏎\n", 0x7F: 0x2421} | {
    code: f"<U+{code:04X}>"
    for code in (*range(0x80, 0xA1), *range(0x300, 0x370), *range(0x2000, 0x2010), 0x2028, 0x2029, 0x2060, 0xFEFF)
}  # fmt: skip
_WORDS = re.compile(r"\w+|[^\w\s]|\s")


def explain_documents(corpus: Corpus, config: CleanConfig, console: Console) -> None:
    """Print what cleaning does to ten documents, the changed ones first; nothing is written. Raises GlassError."""
    found = preview(corpus, config)
    for explained in found.shown():
        console.print(before_and_after(explained), soft_wrap=True)
    for sentence in found.skipped[:SHOWN]:
        console.print(f"left out: {sentence}", markup=False, soft_wrap=True)
    left_out = f", {len(found.skipped):,} were left out" if found.skipped else ""
    console.print(
        f"of the first {found.n_documents:,} documents, {found.n_changed:,} change{left_out}; nothing was written",
        style="dim",
    )


def before_and_after(document: Explained) -> Text:
    """A document's origin and size, and for each step what it changes around its first change."""
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
    """Two excerpts as one text, word by word: [-what is removed-] in red and {+what is added+} in green."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    pieces = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    changes = [piece for piece in pieces if piece[0] != "equal"]
    if len(changes) > 1 and changes[-1] is pieces[-1] and EXCERPT in (len(before), len(after)):
        pieces.pop()  # the end of one excerpt, which only reaches further than the other
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
