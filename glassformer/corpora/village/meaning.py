"""Whom "she" and what "it" means, and where: the places of pronouns in a story, and of the words they stand for.

The checker finds out whom each pronoun means, and forgets where it stood. Here both are kept. A sentence whose pronouns
cannot be told apart ("the two friends" is one too, and some wordings have an "it" that means nothing) is left out.

>>> text = "Once there was a girl called Mira. She had a red kite."
>>> [(text[p.start : p.end], p.means) for p in pronouns(text)]
[('She', ('Mira',))]
"""

import re
from typing import NamedTuple

from .checker import Reader, grammar
from .discourse import Entity
from .lexicon import FORMS
from .reading import read
from .whereabouts import each

WORDS = re.compile(
    rf"\b({'|'.join(sorted({form for forms in FORMS.values() for form in forms.values()} - {'was', 'were'}))})\b", re.I
)


class Pronoun(NamedTuple):
    """A pronoun and what it means."""

    start: int
    end: int
    """Its letters are text[start:end]."""
    means: tuple[str, ...]
    """Whom or what: one entity, or the two of a pair."""


class Span(NamedTuple):
    """A word or words in a text: text[start:end]."""

    start: int
    end: int


def pronouns(text: str) -> list[Pronoun]:
    """The pronouns of a story whose meaning is known, in order."""
    reader, found = _Listener(), list[Pronoun]()
    for sentence in read(text, grammar()):
        reader.heard = []
        verdict = reader.verdict(sentence)
        written = list(WORDS.finditer(sentence.text))
        same = [word.group().lower() for word in written] == [form for form, _ in reader.heard]
        if verdict.understood and not verdict.contradictions and same:
            for word, (_, entity) in zip(written, reader.heard):
                found.append(Pronoun(sentence.start + word.start(), sentence.start + word.end(), tuple(each(entity))))
    return found


def mentions(text: str, entity: str) -> list[Span]:
    """Where a story calls somebody or something by name: "Mira", "baker", "spinning top"."""
    return [Span(*found.span()) for found in re.finditer(rf"\b{re.escape(entity)}\b", text)]


class _Listener(Reader):
    """A reader that notes whom each pronoun means."""

    heard: list[tuple[str, Entity]]

    def _resolve(self, case: str, ref: tuple) -> Entity | None:
        entity = super()._resolve(case, ref)
        if ref[0] == "pronoun" and entity is not None:
            self.heard.append((FORMS[ref[1]][case], entity))
        return entity
