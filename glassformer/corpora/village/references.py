"""From words to references: whom and what a text speaks of, as written, before anybody knows who "she" is.

Each method reads from token i on and yields (reference, j) for every way to read it, where j is the next token:

    ("name", entity, adjective)     Mira, the baker, the red kite
    ("new", entity, adjective)      a character or thing that is introduced here
    ("pronoun", p)                  she, him, their
    ("group", a, b)                 Mira and Tom
    ("owned", owner, thing, adjective)      her red kite; the owner is a reference too
    ("place", name), ("home", owner)
    ("agrees", word)                a word that must fit its character: was or were, girl or boy, dog
"""

from .grammar import TOKEN
from .lexicon import (
    ADJECTIVES,
    CHARACTERS,
    CREATURES,
    FORMS,
    KIN,
    NAMED,
    PETS,
    PLACES,
    ROLES,
    THINGS,
    article,
)

SPECIES = frozenset(species for species, _ in PETS.values())
ALL_ADJECTIVES = frozenset(x for adjectives in ADJECTIVES.values() for x in adjectives)


def _index(phrases) -> dict[str, list[tuple[tuple[str, ...], str]]]:
    table: dict[str, list] = {}
    for phrase in phrases:
        tokens = tuple(TOKEN.findall(phrase))
        table.setdefault(tokens[0], []).append((tokens, phrase))
    for options in table.values():
        options.sort(key=lambda option: -len(option[0]))
    return table


NOUNS = _index([*THINGS, *CREATURES])
CREATURE_SET, ROLE_SET = frozenset(CREATURES), frozenset(ROLES)
PLACE_NOUNS = _index(PLACES)
PRONOUNS = {case: {forms[case]: p for p, forms in FORMS.items()} for case in ("", "him", "his", "himself")}
COUPLE = (("the", "two", "friends"), ("the", "two", "of", "them"), ("both", "of", "them"))
PREPOSITIONS = {"at": {p: where for p, (where, _) in PLACES.items()}, "to": {p: to for p, (_, to) in PLACES.items()}}
assert CREATURE_SET <= CHARACTERS


class References:
    """Reads references in a list of tokens."""

    def __init__(self, tokens: list[str]) -> None:
        self.t, self.n = tokens, len(tokens)
        self.start = -1  # the capitalised first word of a sentence, which is read in lower case

    def word(self, i: int) -> str:
        """Token i, in lower case if a sentence starts with it; "" past the end."""
        if i >= self.n:
            return ""
        t = self.t[i]
        if i == self.start and t not in NAMED and t != "I" and not t.startswith("I'"):
            return t.lower()
        return t

    def _phrase(self, table, i: int):
        for tokens, phrase in table.get(self.word(i), ()):
            if all(self.word(i + d) == t for d, t in enumerate(tokens)):
                yield phrase, i + len(tokens)

    def _noun(self, i: int):
        """[adjective] noun: gives (noun, adjective, j)."""
        for noun, j in self._phrase(NOUNS, i):
            yield noun, None, j
        word = self.word(i)
        if word in ALL_ADJECTIVES:
            for noun, j in self._phrase(NOUNS, i + 1):
                if word in ADJECTIVES[noun]:
                    yield noun, word, j

    def _named(self, i: int):
        """A character by name ("Mira"), by trade ("the baker") or as an animal ("the little lamb")."""
        word = self.word(i)
        if word in NAMED:
            yield ("name", word, None), i + 1
        elif word == "the":
            following = self.word(i + 1)
            if following in ROLE_SET:
                yield ("name", following, None), i + 2
            else:
                for noun, adjective, j in self._noun(i + 1):
                    if noun in CREATURE_SET:
                        yield ("name", noun, adjective), j

    def _who(self, case: str, i: int):
        word = self.word(i)
        if not word:
            return
        if case == "was":
            if word in ("was", "were"):
                yield ("agrees", word), i + 1
        elif case == "child":
            if word in ("girl", "boy"):
                yield ("agrees", word), i + 1
        elif case == "species":
            if word in SPECIES:
                yield ("agrees", word), i + 1
        elif case == "himself":
            if word in PRONOUNS[case]:
                yield ("pronoun", PRONOUNS[case][word]), i + 1
        elif case == "new":
            if word in NAMED and word not in KIN:
                yield ("new", word, None), i + 1
        elif case == "an":
            if word in ("a", "an") and article(self.word(i + 1) or "x") == word:
                for noun, adjective, j in self._noun(i + 1):
                    if noun in CREATURE_SET:
                        yield ("new", noun, adjective), j
        elif case == "voc":
            if word in NAMED or word in ROLE_SET:
                yield ("name", word, None), i + 1
        elif case == "his":
            if word in PRONOUNS["his"]:
                yield ("pronoun", PRONOUNS["his"][word]), i + 1
            for ref, j in self._named(i):
                if self.word(j) == "'s":
                    yield ref, j + 1
        else:
            if case != "name" and word in PRONOUNS[case]:
                yield ("pronoun", PRONOUNS[case][word]), i + 1
            if case == "":
                for tokens in COUPLE:
                    if word == tokens[0] and all(self.word(i + d) == t for d, t in enumerate(tokens)):
                        yield ("pronoun", "they"), i + len(tokens)
            for ref, j in self._named(i):
                if self.word(j) == "and":
                    for other, k in self._named(j + 1):
                        yield ("group", ref[1], other[1]), k
                yield ref, j

    def _what(self, case: str, i: int):
        word = self.word(i)
        if not word:
            return
        if case == "bare":
            for noun, adjective, j in self._noun(i):
                yield ("new", noun, adjective), j
        elif case == "an":
            if word in ("a", "an") and article(self.word(i + 1) or "x") == word:
                for noun, adjective, j in self._noun(i + 1):
                    yield ("new", noun, adjective), j
        else:
            if word == "it" and case == "":
                yield ("pronoun", "it"), i + 1
            if word == "the":
                for noun, adjective, j in self._noun(i + 1):
                    yield ("name", noun, adjective), j
            for owner, j in self._who("his", i):
                for noun, adjective, k in self._noun(j):
                    yield ("owned", owner, noun, adjective), k

    def _place(self, case: str, i: int):
        """Gives references ("place", name), ("home", None) and ("home", owner reference)."""
        word = self.word(i)
        if word == "home" and case == "to":
            yield ("home", None), i + 1
        if case == "at" and word == "at" and self.word(i + 1) == "home":
            yield ("home", None), i + 2
        if case in ("at", "to"):
            if word == case:
                yield from self._house(i + 1)
            for width in (1, 2):
                lead = " ".join(filter(None, (self.word(i + d) for d in range(width))))
                if self.word(i + width) == "the":
                    for place, j in self._phrase(PLACE_NOUNS, i + width + 1):
                        if PREPOSITIONS[case][place] == lead:
                            yield ("place", place), j
        else:
            yield from self._house(i)
            if word == "the":
                for place, j in self._phrase(PLACE_NOUNS, i + 1):
                    yield ("place", place), j

    def _house(self, i: int):
        for owner, j in self._who("his", i):
            if self.word(j) == "house":
                yield ("home", owner), j + 1
