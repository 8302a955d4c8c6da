r"""Reading a regular expression: from its text to a graph of *places*, which `automaton.py` turns into a table.

A place says what must come next: a character of some set, one of two alternatives, no character of some set (a look
ahead), or nothing more. Only the part of the language that tokenizers use is understood: characters, sets, `|`,
`(?:...)`, `(?i:...)`, greedy `? * + {m,n}` and `(?!set)`. For anything else `Unsupported` is raised, and the `regex`
module does the cutting (`patterns.py`).
"""

import functools
from collections.abc import Callable

import regex

MOST_PLACES = 4000


class Unsupported(ValueError):
    """The expression uses something beyond the subset, or needs too many places or states."""


Put = Callable[[int], int]
"""Puts a part of the expression in front of the place that follows it, and returns the place where the part begins."""


class Parser:
    """Recursive descent over the expression: alternatives of sequences of repeated items.

    A place is ("set", which set, next), ("not", which set, next) for a look ahead, ("either", preferred, other) or
    ("done",). `start` is the first one, and `sets` numbers the sets of characters by how they are written.
    """

    def __init__(self, expression: str) -> None:
        self.rest = expression
        self.ignore_case = False
        self.sets: dict[str, int] = {}
        self.places: list[tuple] = []
        put, _ = self.alternatives()
        if self.rest:
            raise Unsupported(f"{self.rest[:20]!r} is left over")
        self.start = put(self.place("done"))

    def place(self, *what) -> int:
        """Add a place; returns its number."""
        if len(self.places) >= MOST_PLACES:
            raise Unsupported("the expression is too large")
        self.places.append(what)
        return len(self.places) - 1

    def take(self, pattern: str) -> str:
        """Remove what the rest begins with if the pattern matches it, and return it; else the empty string."""
        match = regex.match(pattern, self.rest)
        found = match.group() if match else ""
        self.rest = self.rest[len(found) :]
        return found

    def alternatives(self) -> tuple[Put, bool]:
        """`a|b|c`: (put, whether it may match nothing)."""
        options = [self.sequence()]
        while self.take(r"\|"):
            options.append(self.sequence())

        def put(after: int) -> int:
            starts = [option(after) for option, _ in options]
            return functools.reduce(lambda other, preferred: self.place("either", preferred, other), starts[::-1])

        return put, any(empty for _, empty in options)

    def sequence(self) -> tuple[Put, bool]:
        """`abc`: (put, whether it may match nothing)."""
        items = []
        while self.rest and self.rest[0] not in "|)":
            items.append(self.repeated())

        def put(after: int) -> int:
            return functools.reduce(lambda after, item: item[0](after), items[::-1], after)

        return put, all(empty for _, empty in items)

    def repeated(self) -> tuple[Put, bool]:
        """`a`, `a*`, `a{2,3}`: (put, whether it may match nothing)."""
        put, empty = self.item()
        how = self.take(r"[?*+]|\{\d{1,4}(?:,\d{0,4})?\}")
        if not how:
            return put, empty
        if self.take(r"[?*+{]"):
            raise Unsupported("a lazy, possessive or double repetition")
        if empty:
            raise Unsupported("a repetition of what may be nothing")
        least, _, most = {"?": "0,1", "*": "0,", "+": "1,"}.get(how, how.strip("{}")).partition(",")
        many = "," in how or how in "*+"
        limit = int(most) if most else (None if many else int(1 if how == "?" else least))
        if limit is not None and limit < int(least):
            raise Unsupported("a repetition from more to fewer")
        return self.times(put, int(least), limit), int(least) == 0

    def times(self, put: Put, least: int, most: int | None) -> Put:
        """`put` at least `least` times, as often as can be; `most` None: without end."""

        def repeat(after: int) -> int:
            if most is None:
                loop = self.place("either", -1, after)
                self.places[loop] = ("either", put(loop), after)
                first = loop
            else:
                first = after
                for _ in range(most - least):
                    first = self.place("either", put(first), after)
            for _ in range(least):
                first = put(first)
            return first

        return repeat

    def item(self) -> tuple[Put, bool]:
        """A group, a look ahead or a set: (put, whether it may match nothing)."""
        if opening := self.take(r"\(\?(?:i?:|!)"):
            outer, self.ignore_case = self.ignore_case, self.ignore_case or "i" in opening
            if opening == "(?!":
                which, put, empty = self.one_set(), None, True
            else:
                which, (put, empty) = None, self.alternatives()
            self.ignore_case = outer
            if not self.take(r"\)"):
                raise Unsupported("a group of another kind")
            return put or (lambda after: self.place("not", which, after)), empty
        which = self.one_set()
        return (lambda after: self.place("set", which, after)), False

    def one_set(self) -> int:
        """The number of the set of characters that comes next: `a`, `\\p{L}`, `[^\\s\\p{L}]`, `.`."""
        escape = r"\\(?:[pP]\{\^?\w+\}|[sSdDwWrnt]|[^\w\s])"
        found = self.take(rf"{escape}|\[\^?(?:{escape}|[^\[\]\\|&~-]|-(?!-))+\]|[^\[\]\\^$|?*+{{}}()#]")
        if not found:
            raise Unsupported(f"{self.rest[:20]!r} is not a character or a set")
        found = f"(?i:{found})" if self.ignore_case else found
        return self.sets.setdefault(found, len(self.sets))
