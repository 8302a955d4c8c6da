"""Steps that mend or remove lines."""

import re

_BLANK_LINES = re.compile("\n{4,}")


def blank_lines(text: str) -> str:
    """At most two blank lines in a row, as Python code has between functions."""
    return _BLANK_LINES.sub("\n\n\n", text) if "\n\n\n\n" in text else text


def trailing_space(text: str) -> str:
    """No spaces or tabs at the ends of lines. Not a default: Markdown and verse may mean them."""
    return "\n".join(line.rstrip(" \t") for line in text.split("\n"))
