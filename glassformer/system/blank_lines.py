"""Runs of blank lines, which would fill a screen when a text is only shown."""

import re

_RUN = re.compile(r"\n(?:[^\S\n]*\n){3,}")  # three blank lines and more


def without_blank_runs(text: str) -> str:
    """The text with every longer run of blank lines replaced by a line that says how many they were. It is for showing: the
    file keeps them.

    >>> without_blank_runs("one" + 40 * "\\n" + "two")
    'one\\n\\n(39 blank lines)\\n\\ntwo'
    """
    return _RUN.sub(lambda run: f"\n\n({run[0].count(chr(10)) - 1} blank lines)\n\n", text)
