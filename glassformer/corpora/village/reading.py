"""From text to units: which kinds of sentence a text is made of, by the grammar alone, before anybody asks if it is true.

    sentence  = [opener] body "."  |  speech
    body      = clause { ("and" | ", then" | "but" ...) verb phrase | (", and" | ", so" | ", but") clause } [", " tail]
    speech    = '"' said+ '"' [after-tag {and verb phrase}]  |  before-tag ',' '"' said+ '"'

The trie is walked with backtracking under a fixed budget of steps per sentence, so reading any text takes linear time.
"""

from collections.abc import Iterator
from typing import NamedTuple

from .grammar import AN, BOUND, CLASS, PHRASES, TOKEN, WHAT, WHITHER, WHO, Grammar, Node, Template
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

BUDGET = 6000  # steps of the walk per sentence; generated sentences need under 600
SPECIES = frozenset(species for species, _ in PETS.values())
ALL_ADJECTIVES = frozenset(x for adjectives in ADJECTIVES.values() for x in adjectives)
JOINERS = [  # words, what follows: the subject's next verb phrase or a clause of its own
    (("and",), "verb"), (("and", "then"), "verb"), ((",", "then"), "verb"), (("but",), "verb"), ((",", "but"), "verb"),
    ((",", "and"), "clause"), ((",", "so"), "clause"), ((",", "but"), "clause"), ((",", "for"), "clause"),
]  # fmt: skip
SUBORDINATORS = {"when": ("when",), "as": ("as", "soon", "as"), "because": ("because",), "while": ("while",)}


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


class Unit(NamedTuple):
    """A wording found in the text, with what stands in its slots as written (nothing resolved yet)."""

    template: Template
    slots: tuple  # (variable, case, reference)
    shared: bool = False  # its subject is the one of the unit before


class Sentence(NamedTuple):
    text: str
    units: list[Unit] | None  # None: not understood
    starts_paragraph: bool


def read(text: str, grammar: Grammar) -> Iterator[Sentence]:
    """The sentences of `text`, each understood or not. Never raises; linear time."""
    spans = [(m.group(), m.start(), m.end()) for m in TOKEN.finditer(text)]
    tokens = [s[0] for s in spans]
    i, fresh = 0, True
    while i < len(tokens):
        if tokens[i][0] == "\n":
            i, fresh = i + 1, True
            continue
        units, end = Walk(tokens, grammar).sentence(i)
        if units is None:
            end = _boundary(tokens, i)
        yield Sentence(text[spans[i][1] : spans[end - 1][2]], units, fresh)
        i, fresh = end, False


def _boundary(tokens: list[str], i: int) -> int:
    """Where a sentence that was not understood ends."""
    quoted = False
    n = len(tokens)
    while i < n and tokens[i][0] != "\n":
        token = tokens[i]
        i += 1
        if token == '"':
            quoted = not quoted
            if not quoted and tokens[i - 2] in ".!?" and (i == n or not tokens[i][0].islower()):
                return i
        elif token in ".!?" and not quoted:
            return i
    return i


class Walk:
    """One sentence's way through the tries."""

    def __init__(self, tokens: list[str], grammar: Grammar) -> None:
        self.t, self.tries, self.n = tokens, grammar.tries, len(tokens)
        self.left = BUDGET
        self.start = -1  # the capitalised first word, which is read in lower case

    def sentence(self, i: int) -> tuple[list[Unit] | None, int]:
        try:
            for units, j in self._speech(i) if self.t[i] == '"' else self._statement(i):
                return units, j
        except OverflowError:
            pass
        return None, i

    def _statement(self, i: int):
        self.start = i
        if not self.t[i][0].isupper():
            return
        for unit, j in self._walk(self.tries["before"], i):
            if self.word(j) == "," and self.word(j + 1) == '"':
                for said, k in self._quotation(j + 1):
                    if self.t[k - 2] != ",":
                        yield [unit, *said], k
        self.start = i
        for units, j in self._opened(i):
            yield units, j

    def _opened(self, i: int):
        for unit, j in self._walk(self.tries["opener"], i):
            for units, k in self._body(j):
                yield [unit, *units], k
        words = SUBORDINATORS.get(self.word(i))
        if words and all(self.word(i + d) == w for d, w in enumerate(words)):
            for unit, j in self._walk(self.tries["clause"], i + len(words)):
                if not unit.template.ends and self.word(j) == ",":
                    for units, k in self._body(j + 1):
                        yield [unit, *units], k
        yield from self._body(i)

    def _body(self, i: int):
        for unit, j in self._walk(self.tries["clause"], i):
            if unit.template.ends:
                yield [unit], j
            else:
                for units, k in self._rest(j, 3):
                    yield [unit, *units], k

    def _rest(self, i: int, joins: int):
        """What may follow a clause: the end, a tail, or more."""
        word = self.word(i)
        if word == ".":
            yield [], i + 1
        if word == ",":
            for unit, j in self._walk(self.tries["tail"], i + 1):
                if self.word(j) == ".":
                    yield [unit._replace(shared=True)], j + 1
        if joins:
            for words, what in JOINERS:
                if word == words[0] and all(self.word(i + d) == w for d, w in enumerate(words)):
                    for unit, j in self._follow(i + len(words), what):
                        for units, k in self._rest(j, joins - 1):
                            yield [unit, *units], k

    def _follow(self, i: int, what: str):
        if what == "clause":
            for unit, j in self._walk(self.tries["clause"], i):
                if not unit.template.ends:
                    yield unit, j
        else:
            node = self.tries["clause"].slots.get((WHO, "a", ""))
            for unit, j in self._walk(node, i) if node else ():
                if unit.template.leads:
                    yield unit._replace(shared=True), j

    def _speech(self, i: int):
        for said, j in self._quotation(i):
            self.start = -1
            for tag, k in self._walk(self.tries["after"], j):
                for units, end in self._rest(k, 2):
                    yield [*said, tag, *units], end
            if self.t[j - 2] != ",":
                yield said, j

    def _quotation(self, i: int):
        """Utterances between quotation marks; j is behind the closing one."""
        yield from self._said(i + 1, 4)

    def _said(self, i: int, more: int):
        if i >= self.n or not self.t[i][0].isupper():
            return
        self.start = i
        for unit, j in self._walk(self.tries["speech"], i):
            if self.word(j) == '"':
                yield [unit], j + 1
            elif more:
                for units, k in self._said(j, more - 1):
                    yield [unit, *units], k
                self.start = i

    # the trie

    def word(self, i: int) -> str:
        """Token i, in lower case where a sentence starts with it; "" past the end."""
        if i >= self.n:
            return ""
        t = self.t[i]
        if i == self.start and t not in NAMED and t != "I" and not t.startswith("I'"):
            return t.lower()
        return t

    def _walk(self, node: Node, i: int):
        for template, slots, j in self._paths(node, i):
            yield Unit(template, slots), j

    def _paths(self, node: Node, i: int):
        self.left -= 1
        if self.left < 0:
            raise OverflowError
        word = self.word(i)
        following = node.words.get(word)
        if following is not None:
            yield from self._paths(following, i + 1)
        if word == "," and self.word(i + 1) == '"':  # a full stop becomes a comma before the tag
            following = node.words.get(".")
            if following is not None and following.leaf is not None:
                yield following.leaf, (), i + 1
        for (role, var, case), following in node.slots.items():
            for ref, j in self._slot(role, case, i):
                for template, slots, k in self._paths(following, j):
                    yield template, ((var, case, ref), *slots) if var else slots, k
        if node.leaf is not None:
            yield node.leaf, (), i

    def _slot(self, role: int, case: str, i: int):
        if role == WHO:
            return self._who(case, i)
        if role == WHAT:
            return self._what(case, i)
        if role == WHITHER:
            return self._place(case, i)
        if role in (CLASS, BOUND):
            return self._phrase(PHRASES[case], i)
        assert role == AN
        word = self.word(i)
        return [(None, i + 1)] if word in ("a", "an") and self.word(i + 1) and article(self.word(i + 1)) == word else []

    def _phrase(self, table, i: int):
        for tokens, phrase in table.get(self.word(i), ()):
            if all(self.word(i + d) == t for d, t in enumerate(tokens)):
                yield phrase, i + len(tokens)

    # references: ("name", entity, adjective), ("pronoun", p), ("group", a, b), ("owned", owner reference, thing, adjective)

    def _noun(self, i: int):
        """[adjective] noun -> (noun, adjective, j)"""
        for noun, j in self._phrase(NOUNS, i):
            yield noun, None, j
        word = self.word(i)
        if word in ALL_ADJECTIVES:
            for noun, j in self._phrase(NOUNS, i + 1):
                if word in ADJECTIVES[noun]:
                    yield noun, word, j

    def _named(self, i: int):
        """A character by name, by trade, or as "the little lamb"."""
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
        """References ("place", name), ("home", None) and ("home", owner reference)."""
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


assert CREATURE_SET <= CHARACTERS
