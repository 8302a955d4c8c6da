"""Where everybody and everything is, and who owns what.

Where a thing is, is a chain: `where["coin"] = "box"`, `where["box"] = "Mira"`, `where["Mira"] = "mill"`. `World` adds how
people are, what they promised, time and weather, and says what requirements, effects and faults are.
"""

from typing import Any

from .lexicon import CHARACTERS, NAMED, PLACES, PRONOUN

LOST = "?"  # nobody knows where it is
GONE = "-"  # eaten, melted, broken to bits


class Contradiction(AssertionError):
    """The simulator contradicted itself."""


class Whereabouts:
    """The part of a World that says where everybody and everything is. Methods named `set_...` change it."""

    def __init__(self) -> None:
        self.where: dict[str, str] = {}
        self.owner: dict[str, str] = {}
        self.look: dict[str, str] = {}  # thing: its adjective
        self.hero: str | None = None  # the first child of the story: Mama and Papa are theirs
        self.scene: str | None = None  # who acted last
        self.claims = 0

    def fault(self, *words) -> None:
        """Called with the words that say what a claim contradicts."""
        raise Contradiction(sentence(words))

    def place(self, x: str) -> str | None:
        """The place at the end of x's chain; None if it is not known."""
        for _ in range(9):
            place = self.where.get(x)
            if place is None or place in PLACES or place.startswith("home:"):
                return place
            x = place
        return None

    def home(self, x: Any) -> str:
        if type(x) is tuple:
            x = x[0]
        x = self.owner.get(x, x)
        if self.hero and x in ("Mama", "Papa"):
            x = self.hero
        return "home:" + x

    def at(self, a, *places: str) -> None:
        for x in each(a):
            self.claims += 1
            now = self.place(x)
            if now is None:
                self._put(x, places[0])
            elif now not in places:
                self.fault(x, f"is {spot(now)}, not {spot(places[0])}")

    def away(self, a, place: str) -> None:
        for x in each(a):
            self.claims += 1
            if self.place(x) == place:
                self.fault(x, f"is {spot(place)} already")

    def set_at(self, a, place: str | None) -> None:
        for x in each(a):
            self.claims += 1
            if place is None:
                self.where.pop(x, None)
            elif self.where.get(x) == GONE:
                self.fault(x, "is gone")
            else:
                self.where[x] = place

    def here(self, *group) -> None:
        """All of them are at the same place."""
        members = [x for a in group for x in each(a)]
        place = None
        for x in members:
            self.claims += 1
            now = self.place(x)
            if now is None:
                continue
            if place is None:
                place = now
            elif now != place:
                self.fault(x, f"is {spot(now)}, not {spot(place)} with", members[0])
        if place is not None:
            for x in members:
                if self.place(x) is None:
                    self._put(x, place)

    def apart(self, a, b) -> None:
        for x in each(a):
            for y in each(b):
                self.claims += 1
                place = self.place(x)
                if place is not None and place == self.place(y):
                    self.fault(x, "and", y, "are both", spot(place))

    def with_(self, a, b) -> None:
        """b comes to where a is."""
        first = each(a)[0]
        self.set_at(b, self.place(first))

    def _put(self, x: str, place: str) -> None:
        """Learn that x is at `place`, and so is whoever holds x."""
        for _ in range(9):
            holder = self.where.get(x)
            if holder in (None, LOST, GONE):
                break
            x = holder
        if self.where.get(x) is None:
            self.where[x] = place

    # things

    def has(self, a, o: str) -> None:
        self.claims += 1
        now = self.where.get(o)
        if now is None:
            self.where[o] = each(a)[0]
        elif now not in each(a):
            if not (now in self.where and self.where[now] in each(a)):  # in a bag one holds
                self.fault(*each(a)[:1], "does not have", called(o) + ", which", self._whereabouts(o))

    def lacks(self, a, o: str) -> None:
        self.claims += 1
        now = self.where.get(o)
        if now in each(a):
            self.fault(*each(a)[:1], "has", o, "already")

    def set_has(self, a, o: str) -> None:
        self.claims += 1
        if self.where.get(o) == GONE:
            self.fault(o, "is gone")
        self.where[o] = each(a)[0]

    def near(self, a, o: str) -> None:
        """o is at the place where a is, whether a holds it or not."""
        self.claims += 1
        now = self.where.get(o)
        if now in (LOST, GONE):
            self.fault(o, self._whereabouts(o))
        place, own = self.place(o), self.place(each(a)[0])
        if now is None and own is not None:
            self.where[o] = own
        elif place is not None and own is not None and place != own:
            self.fault(o, f"is {spot(place)}, not {spot(own)} with", each(a)[0])

    def within(self, o: str, c: str) -> None:
        self.claims += 1
        now = self.where.get(o)
        if now is None:
            self.where[o] = c
        elif now != c:
            self.fault(o, "is not in", c, "but", self._whereabouts(o))

    def set_within(self, o: str, c: str) -> None:
        self.claims += 1
        if o == c or self.where.get(c) == o:
            self.fault(o, "cannot be inside itself")
        elif GONE in (self.where.get(o), self.where.get(c)):
            self.fault(o, "or", c, "is gone")
        else:
            self.where[o] = c

    def unlost(self, o: str) -> None:
        """o is neither lost nor gone."""
        self.claims += 1
        if self.where.get(o) in (LOST, GONE):
            self.fault(o, self._whereabouts(o))

    def ungone(self, o: str) -> None:
        self.claims += 1
        if self.where.get(o) == GONE:
            self.fault(o, "is gone")

    def joins(self, b) -> None:
        """b comes to the place of whoever acted last."""
        self.set_at(b, self.place(self.scene) if self.scene else None)

    def lost(self, o: str) -> None:
        self.claims += 1
        if self.where.get(o, LOST) != LOST:
            self.fault(o, "is not lost but", self._whereabouts(o))

    def appear(self, o: str) -> None:
        """o turns out to be at the place of whoever acted last."""
        self.set_at(o, self.place(self.scene) if self.scene else None)

    def set_lost(self, o: str) -> None:
        self.claims += 1
        if self.where.get(o) == GONE:
            self.fault(o, "is gone")
        self.where[o] = LOST

    def set_gone(self, o: str) -> None:
        self.claims += 1
        self.where[o] = GONE

    def drop(self, o: str) -> None:
        """o now lies at the place where its holder is."""
        self.claims += 1
        place = self.place(o)
        if place is None:
            self.where.pop(o, None)
        else:
            self.where[o] = place

    def owns(self, a, o: str) -> None:
        self.claims += 1
        if type(a) is tuple:
            a = a[0] if self.owner.get(o) not in a else self.owner[o]
        if self.owner.setdefault(o, a) != a:
            self.fault(f"{called(o)} belongs to {called(self.owner[o])}, not to", a)

    def set_owns(self, a, o: str) -> None:
        self.claims += 1
        self.owner[o] = each(a)[0]

    def looks(self, o: str, adjective: str) -> None:
        self.claims += 1
        if self.look.setdefault(o, adjective) != adjective:
            self.fault(o, f"is {self.look[o]}, not {adjective}")

    def _whereabouts(self, o: str) -> str:
        now = self.where.get(o)
        if now is None or now in (LOST, GONE):
            return {None: "is somewhere", LOST: "is lost", GONE: "is gone"}[now]
        return f"is with {called(now)}" if now in CHARACTERS else f"is {spot(now)}"

    def alone(self, a) -> None:
        """Nobody else is where a is."""
        self.claims += 1
        members = each(a)
        place = self.place(members[0])
        for x in self.where:
            if place is not None and x in CHARACTERS and x not in members and self.place(x) == place:
                self.fault(members[0], "is not alone:", x, "is there")


def sentence(words: tuple) -> str:
    """The words of a fault as one line; two who are one word are "Mira and Tom"."""
    return " ".join(" and ".join(map(called, each(word))) for word in words)


def called(x: str) -> str:
    """Somebody or something as one speaks of them: "Mira", "the baker", "the kite". Other words stay as they are."""
    return f"the {x}" if x in PRONOUN and x not in NAMED else x


def spot(place: str) -> str:
    """A place, a house, or a thing that holds others, as one says where somebody is: "by the well", "at Mira's house"."""
    if place.startswith("home:"):
        return f"at {called(place.removeprefix('home:'))}'s house"
    return f"{PLACES[place][0]} the {place}" if place in PLACES else f"in the {place}"


def each(a) -> tuple:
    return a if type(a) is tuple else (a,)
