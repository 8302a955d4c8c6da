r"""Words: text cut at spaces and punctuation so that nothing is lost, and the pieces join to the text again.

A word is a run of letters, marks, digits and underscores (an apostrophe between letters belongs to it). Every other
sign is a piece of its own. A single space before either stays with it, as in GPT-2. Further white space is cut into
single characters, so that every indentation consists of pieces that are known.

>>> list(split("It didn't rain,  said she."))
['It', " didn't", ' rain', ',', ' ', ' said', ' she', '.']
"""

import regex

WORDS = r" ?[\p{L}\p{M}\p{N}_]+(?:['’]\p{L}+)*| ?[^\s\p{L}\p{M}\p{N}_]|\s"
_expression = regex.compile(WORDS)


def split(text: str) -> list[str]:
    """The pieces in order."""
    return _expression.findall(text)
