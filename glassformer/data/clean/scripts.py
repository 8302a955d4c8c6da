"""Which classes of characters a text consists of: scripts (Latin, Han ...), digits, white space, punctuation, signs."""

import numpy as np
import regex

_names = (
    "Latin Greek Cyrillic Armenian Hebrew Arabic Devanagari Bengali Gurmukhi Gujarati Tamil Telugu Kannada Malayalam "
    "Sinhala Thai Lao Tibetan Myanmar Georgian Ethiopic Khmer Mongolian Hangul Hiragana Katakana Han"
).split()
SCRIPTS = {
    **{name: regex.compile(rf"\p{{Script={name}}}") for name in _names},
    "digits": regex.compile(r"\p{N}"),
    "white space": regex.compile(r"\s"),
    "punctuation": regex.compile(r"\p{P}"),
    "emoji and signs": regex.compile(r"[\p{S}\p{Emoji_Modifier}\u200d\ufe0f]"),
    "other": regex.compile(r"(?s:.)"),
}
"""Classes of characters. A character belongs to the first class that matches."""


class Classes:
    """Finds the class of each character, and remembers the answers.

    >>> [list(SCRIPTS)[i] for i in Classes().of_bytes("aé1")]
    ['Latin', 'Latin', 'Latin', 'digits']
    """

    def __init__(self) -> None:
        self._class_of: dict[str, int] = {}

    def of_bytes(self, text: str) -> np.ndarray:
        """(n_bytes,) int64: for each UTF-8 byte of the text, the number in SCRIPTS of its character's class."""
        points, which = np.unique(np.frombuffer(text.encode("utf-32-le"), "<u4"), return_inverse=True)
        for character in map(chr, points.tolist()):
            if character not in self._class_of:
                self._class_of[character] = next(i for i, each in enumerate(SCRIPTS.values()) if each.match(character))
        classes = np.array([self._class_of[chr(point)] for point in points.tolist()], np.int64)
        widths = np.array([len(chr(point).encode()) for point in points.tolist()], np.int64)
        return np.repeat(classes[which], widths[which])
