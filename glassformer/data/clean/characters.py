"""Steps that change single characters."""

import re
import unicodedata

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CONTROL_BYTES = bytes([*range(0x09), *range(0x0B, 0x20), 0x7F])
_CONTROL_ENDS = "\r\v\f\x1c\x1d\x1e\x85"
_ENDS = _CONTROL_ENDS + "\u2028\u2029"
_RUN = re.compile(r"(?<=\S)[ \t]{2,}")
_SPACES = {
    **dict.fromkeys([0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " "),
    **dict.fromkeys([0x2028, 0x2029], "\n"),
    **dict.fromkeys([0x200B, 0x2060, 0xFEFF], None),
}
_SPACE = re.compile(f"[{''.join(map(chr, _SPACES))}]")


def newlines(text: str) -> str:
    r"""End every line with `\n`.

    In its place may stand `\r\n` (Windows), `\r` (old Macs), a vertical tab or a form feed (Word's line and page breaks),
    U+001C to U+001E, U+0085, U+2028 or U+2029: the same characters as in `str.splitlines`.
    """
    return _lines(text, _ENDS)


def control_characters(text: str) -> str:
    """Remove control characters other than newline and tab, most of which are invisible leftovers of machines.

    Words stay apart: a character that ends a line becomes a newline, and the separator of fields (U+001F) a space.
    """
    text = _lines(text, _CONTROL_ENDS).replace("\x1f", " ")
    if text.isascii():  # three times as fast
        data = text.encode("ascii")
        kept = data.translate(None, _CONTROL_BYTES)
        return text if len(kept) == len(data) else kept.decode("ascii")
    return _CONTROL.sub("", text) if _CONTROL.search(text) else text


def _lines(text: str, ends: str) -> str:
    text = text.replace("\r\n", "\n") if "\r" in text else text
    for end in ends:
        if end in text:
            text = text.replace(end, "\n")
    return text


def unicode(text: str) -> str:
    """Write each letter in one way: é is one character, not e and an accent (Unicode's normal form NFC)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def white_space(text: str) -> str:
    """Turn no-break, thin and wide spaces into spaces, remove invisible ones, and reduce several after a word to
    one."""
    if not text.isascii() and _SPACE.search(text):
        text = text.translate(_SPACES)
    return _RUN.sub(" ", text) if "  " in text or "\t" in text else text
