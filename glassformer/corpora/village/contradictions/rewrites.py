"""Changes of words that make a true story false.

Each function returns the changed text, or None if the story gives no occasion for the change.
"""

import re
from collections.abc import Callable
from random import Random

from ..lexicon import CHARACTERS, CHILDREN, FORMS, PRONOUN, THINGS
from ..story import Story
from .scene import shuffled, split


def stranger(text: str, story: Story, rng: Random) -> str | None:
    """One mention of a child becomes another child's name, of whom nobody has spoken."""
    spots = [m for m in re.finditer(r"\b[A-Z][a-z]+\b", text) if m.group() in CHILDREN]
    if not spots:
        return None
    m = rng.choice(spots[1:] or spots)
    others = sorted(x for x in CHILDREN if PRONOUN[x] == PRONOUN[m.group()] and not re.search(rf"\b{x}\b", text))
    introduced = text[: m.start()].rstrip().endswith(("named", "called", "name was", "friend", "boy", "girl"))
    return None if introduced else text[: m.start()] + rng.choice(others) + text[m.end() :]


def wrong_gender(text: str, story: Story, rng: Random) -> str | None:
    """ "She" becomes "he" where nobody in the story is a he yet (or the other way round)."""
    genders = {PRONOUN[x]: x for x in CHARACTERS if re.search(rf"\b{x}\b", text)}
    for old, new in (("she", "he"), ("he", "she")):
        first = min(
            (m.start() for x in CHARACTERS if PRONOUN[x] == new for m in re.finditer(rf"\b{x}\b", text)),
            default=len(text),
        )
        spots = [m for m in re.finditer(rf"\b({old}|{old.capitalize()})\b", text) if m.end() < first]
        if spots and old in genders:
            m = rng.choice(spots)
            word = FORMS[new][""]
            return text[: m.start()] + (word.capitalize() if m.group()[0].isupper() else word) + text[m.end() :]
    return None


def wrong_look(text: str, story: Story, rng: Random) -> str | None:
    """A red kite is blue in another sentence."""
    for o in shuffled(sorted(THINGS), rng):
        looks = THINGS[o][1].split()
        spots = [m for m in re.finditer(rf"\b({'|'.join(looks)}) {o}\b", text)]
        if len(spots) > 1:
            m = rng.choice(spots)
            others = [x for x in looks if x != m.group(1) and (x[0] in "aeiou") == (m.group(1)[0] in "aeiou")]
            if others:
                return text[: m.start(1)] + rng.choice(others) + text[m.end(1) :]
    return None


def swapped_order(text: str, story: Story, rng: Random) -> str | None:
    """The sentence that introduces somebody or something changes places with one that speaks of it."""
    sentences = split(text)
    pattern = re.compile(r"(?:named|called|friend) ([A-Z][a-z]+)|([A-Z][a-z]+), who lived next door")
    for i in shuffled(range(len(sentences)), rng):
        m = pattern.search(sentences[i])
        name = m and (m[1] or m[2])
        if not name or re.search(rf"\b{name}\b", "".join(sentences[:i])):
            continue
        for j in range(i + 1, min(i + 6, len(sentences))):
            if re.search(rf"\b{name}\b", sentences[j]) and "\n" not in sentences[i].strip(" ") + sentences[j].strip(
                " "
            ):
                swapped = list(sentences)
                swapped[i], swapped[j] = sentences[j], sentences[i]
                return "".join(swapped)
    return None


REWRITES: dict[str, Callable[[str, Story, Random], str | None]] = {
    "swapped name": stranger,
    "wrong pronoun": wrong_gender,
    "wrong look": wrong_look,
    "sentences swapped": swapped_order,
}
