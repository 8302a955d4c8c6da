"""Text that others wrote (a model, a file, a file's name), made safe to look at.

A terminal obeys control characters: an escape sequence in a model's text can clear the screen, set the window's title or
rewrite lines that were printed before. Characters that turn the direction of text around, or that cannot be seen at all,
make one text look like another. `visible` writes all of them as escapes. It is for the eye: what goes to a pipe or a file
keeps every character (`terminal.write`).
"""

import re

_TROUBLE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but not the tab and the line feed
    "\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, or they turn text around
    "\u115f\u1160\u3164\uffa0"  # letters that nobody sees (Hangul fillers)
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"  # invisible ones far behind: shorthand, music, tags
    "\ud800-\udfff\ufffe\uffff"  # no characters at all
    "]"
)
# U+200C and U+200D stay: Persian, Indian scripts and emoji need them.


def visible(text: str) -> str:
    """The text with the characters that a terminal would obey, or that no eye sees, written as escapes.

    The line feed and the tab stay, and so does every other text.

    >>> visible("a\\0b"), visible("\\x1b[2Jhere"), visible("Zoë 猫")
    ('a\\\\x00b', '\\\\x1b[2Jhere', 'Zoë 猫')
    """
    return _TROUBLE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
