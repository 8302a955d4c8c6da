"""BERT's way of cutting text into words (Devlin et al. 2018), and what it drops before any token is looked up.

Control and format characters are removed, and each Chinese character and punctuation mark becomes a word of its own.
The uncased models also drop accents (NFD without its combining marks) and capitals. What is left is a list of words;
the white space between them is lost.

>>> words("Ça va?\\n  我 ok", lowercase=True)
['ca', 'va', '?', '我', 'ok']
"""

import unicodedata

import regex

_gone = regex.compile(r"[\x00\ufffd]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}]")
_chinese = regex.compile(
    "[\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f\U0002b920-\U0002ceaf"
    "\uf900-\ufaff\U0002f800-\U0002fa1f]"
)
_word = regex.compile(r"[\p{P}$+<=>^`|~]|[^\s\p{P}$+<=>^`|~]+")


def words(text: str, lowercase: bool) -> list[str]:
    """The words and signs of a text, in order."""
    text = _chinese.sub(r" \g<0> ", _gone.sub("", text))
    if lowercase:
        text = unicodedata.normalize("NFD", text)
        text = "".join(c.lower() for c in text if unicodedata.category(c) != "Mn")
    return _word.findall(text)
