"""Steps that change single characters."""

import re
import unicodedata

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CONTROL_BYTES = bytes([*range(0x09), *range(0x0B, 0x20), 0x7F])
_RUN = re.compile(r"(?<=\S)[ \t]{2,}")
_SPACES = {
    **dict.fromkeys([0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " "),
    **dict.fromkeys([0x2028, 0x2029], "\n"),
    **dict.fromkeys([0x200B, 0x2060, 0xFEFF], None),
}
_SPACE = re.compile(f"[{''.join(map(chr, _SPACES))}]")


def newlines(text: str) -> str:
    r"""Every line ends with `\n`: not with `\r\n` as on Windows, nor with `\r` as on old Macs."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def control_characters(text: str) -> str:
    """No control characters but the newline and the tab: the rest are invisible leftovers of machines."""
    if text.isascii():  # three times as fast
        data = text.encode("ascii")
        kept = data.translate(None, _CONTROL_BYTES)
        return text if len(kept) == len(data) else kept.decode("ascii")
    return _CONTROL.sub("", text) if _CONTROL.search(text) else text


def unicode(text: str) -> str:
    """Write each letter in one way: é is one character, not e and an accent (Unicode's normal form NFC)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def white_space(text: str) -> str:
    """Turn no-break, thin and wide spaces into spaces, remove invisible ones, and reduce several after a word to
    one."""
    if not text.isascii() and _SPACE.search(text):
        text = text.translate(_SPACES)
    return _RUN.sub(" ", text) if "  " in text or "\t" in text else text
