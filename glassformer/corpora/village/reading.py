"""From text to units: which kinds of sentences a text consists of, by the grammar alone. Whether they are true comes
later.

    sentence  = [opener] body "."  |  speech
    body      = clause { ("and" | ", then" | "but" ...) verb phrase | (", and" | ", so" | ", but") clause } [", " tail]
    speech    = '"' said+ '"' [after-tag {and verb phrase}]  |  before-tag ',' '"' said+ '"'

The tries of the grammar are walked with backtracking, with a fixed budget of steps per sentence, so reading takes time
linear in the length of any text. `references` reads the slots: names, pronouns, things and places.
"""

from collections.abc import Iterator
from typing import NamedTuple

from .grammar import AN, BOUND, CLASS, PHRASES, TOKEN, WHAT, WHITHER, WHO, Grammar, Node, Template
from .lexicon import article
from .references import References

BUDGET = 6000  # steps per sentence; the teller's sentences need under 600
JOINERS = [  # words, what follows: the subject's next verb phrase or a clause of its own
    (("and",), "verb"), (("and", "then"), "verb"), ((",", "then"), "verb"), (("but",), "verb"), ((",", "but"), "verb"),
    ((",", "and"), "clause"), ((",", "so"), "clause"), ((",", "but"), "clause"), ((",", "for"), "clause"),
]  # fmt: skip
SUBORDINATORS = {"when": ("when",), "as": ("as", "soon", "as"), "because": ("because",), "while": ("while",)}


class Unit(NamedTuple):
    """A wording found in the text, with what is written in its slots; whom they mean is not yet known."""

    template: Template
    slots: tuple  # (variable, case, reference)
    shared: bool = False  # its subject is the one of the unit before


class Sentence(NamedTuple):
    text: str
    start: int  # its first character's place in the whole text
    units: list[Unit] | None  # None: not understood
    starts_paragraph: bool


def read(text: str, grammar: Grammar) -> Iterator[Sentence]:
    """The sentences of `text`, each with its units if it was understood. Never raises; takes linear time."""
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
        yield Sentence(text[spans[i][1] : spans[end - 1][2]], spans[i][1], units, fresh)
        i, fresh = end, False


def _boundary(tokens: list[str], i: int) -> int:
    """The end of a sentence that was not understood."""
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


class Walk(References):
    """Reads one sentence by walking through the tries of the grammar."""

    def __init__(self, tokens: list[str], grammar: Grammar) -> None:
        super().__init__(tokens)
        self.tries, self.left = grammar.tries, BUDGET

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
        """What may follow a clause: the full stop, a tail, or another clause."""
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
        """What is said between quotation marks; j is the token after the closing one."""
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
