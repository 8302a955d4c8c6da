"""Steps that change or remove lines."""

import re
from collections import Counter

_BLANK_LINES = re.compile("\n{4,}")
_LONGEST_BOILERPLATE = 200  # characters; a longer line is prose that mentions such things
_REPEATS, _WORDS = 3, 3  # a line of at least _WORDS words that occurs _REPEATS times in a document is a header or footer
_ALL_OF_IT = re.compile(
    r"""\W*(?:
    (?:copyright\b|©|\(c\)(?=\W))\W*(?:copyright\W*|\(c\)\W*|©\W*)?(?:19|20)\d\d\b.*
    | (?:follow|like|find)\ us\ on\ \w+.*
    | share\ (?:this|on)\ (?:(?:article|page|post|story|facebook|twitter|linkedin|x)\b\W*)+
    | (?:skip\ to\ (?:main\ )?content|back\ to\ top|read\ more|continue\ reading|click\ here|load\ more|show\ more
      |toggle\ navigation|advertisements?|sponsored(?:\ content)?|subscribe(?:\ now)?|sign\ (?:in|up)|log\ ?in
      |privacy\ policy|terms\ (?:of\ (?:use|service)|(?:and|&)\ conditions)|leave\ a\ (?:comment|reply))\W*
    )$""",
    re.VERBOSE,
)
_PART_OF_IT = re.compile(
    r"""
    \bcookies?\ (?:policy|settings|preferences|notice|consent)\b
    | \b(?:we|this\ (?:web)?site|our\ (?:web)?site|our\ partners)\ uses?\ cookies\b
    | \b(?:accept|reject|allow|manage)\ (?:all\ )?(?:the\ )?cookies\b
    | \ball\ rights\ reserved\b
    | \b(?:subscribe|sign\ up|register)\ (?:to|for|now\ for)\ (?:our|the|a|free)\b.{0,40}
      \b(?:newsletters?|updates|alerts|mailing\ list)\b
    | \b(?:enable|turn\ on)\ javascript\b
    """,
    re.VERBOSE,
)
_HINTS = ("cookie", "rights reserved", "newsletter", "updates", "alerts", "mailing list", "javascript")
_SIGNS = "|·•»›>/"
_BETWEEN_LINKS = re.compile(rf"\s+[{_SIGNS}]\s+")
_LINKS = frozenset(
    "home|about|about us|contact|contact us|login|log in|sign in|sign up|register|privacy|privacy policy|terms|search|"
    "terms of use|terms of service|help|faq|news|blog|shop|cart|sitemap|site map|menu|careers|press|support".split("|")
)


def blank_lines(text: str) -> str:
    """Leave at most two blank lines in a row, as Python code has between functions."""
    return _BLANK_LINES.sub("\n\n\n", text) if "\n\n\n\n" in text else text


def trailing_space(text: str) -> str:
    """Remove spaces and tabs at the ends of lines. This is not a default step, since they mean something in
    Markdown."""
    return "\n".join(line.rstrip(" \t") for line in text.split("\n"))


def boilerplate_lines(text: str) -> str:
    """Remove lines that belong to a web page and not to its text (cookies, menus, copyright), and keep only the first
    of lines that occur three times or more."""
    lines = text.split("\n")
    again = {line for line, n in Counter(map(str.strip, lines)).items() if n >= _REPEATS and _is_said(line)}
    kept, seen = [], set()
    for line in lines:
        bare = line.strip()
        if is_boilerplate(bare) or bare in seen:
            continue
        if bare in again:
            seen.add(bare)
        kept.append(line)
    return text if len(kept) == len(lines) else "\n".join(kept)


def is_boilerplate(line: str) -> bool:
    """Whether a line is a notice of a web page, or a row of links.

    >>> [is_boilerplate(line) for line in ("Home | About us | Contact", "She wondered who would use cookies at sea.")]
    [True, False]
    """
    if not line or len(line) > _LONGEST_BOILERPLATE:
        return False
    line = line.lower()
    if _ALL_OF_IT.match(line) or (any(hint in line for hint in _HINTS) and _PART_OF_IT.search(line)):
        return True
    if not any(sign in line for sign in _SIGNS):
        return False
    links = [link.strip() for link in _BETWEEN_LINKS.split(line)]
    return len(links) >= 3 and sum(link in _LINKS for link in links) >= 2


def _is_said(line: str) -> bool:
    """Whether a line has enough words to be a header, unlike a lone brace in code."""
    return sum(word[0].isalpha() for word in line.split()) >= _WORDS
