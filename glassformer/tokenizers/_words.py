r"""Words: text cut at spaces and punctuation, with nothing lost, so that the pieces join to the text again.

A word is a run of letters, marks, digits and underscores (an apostrophe between letters belongs to it); every other
sign is a piece of its own. One space before either stays with it, as in GPT-2; further white space goes character by
character, so that any indentation is made of pieces that are known.

>>> list(split("It didn't rain,  said she."))
['It', " didn't", ' rain', ',', ' ', ' said', ' she', '.']
"""

import regex

WORDS = r" ?[\p{L}\p{M}\p{N}_]+(?:['’]\p{L}+)*| ?[^\s\p{L}\p{M}\p{N}_]|\s"
_expression = regex.compile(WORDS)


def split(text: str) -> list[str]:
    """The pieces in order."""
    return _expression.findall(text)
