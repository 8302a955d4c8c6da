"""The state of the village, and what a claim asks of it and does to it.

A requirement (`has`, `at`, `here`, ...) that contradicts the state is a fault; one about something unknown is believed
and remembered. An effect (`set_has`, `set_at`, ...) changes the state. The simulator runs on a World that knows
everything, where a fault is a bug; the checker runs the same sentences on a World that knows only what it has read.
Where a thing is, is one chain: `where["coin"] = "box"`, `where["box"] = "Mira"`, `where["Mira"] = "mill"`.
"""

from typing import Any

from .lexicon import ANIMALS, CHARACTERS, CHILDREN, PLACES

PHASES = ("dawn", "morning", "noon", "afternoon", "evening", "night")
LOST = "?"  # nobody knows where
GONE = "-"  # eaten, melted, broken to bits


class Contradiction(AssertionError):
    """The simulator contradicted itself."""


class World:
    def __init__(self) -> None:
        self.where: dict[str, str] = {}
        self.owner: dict[str, str] = {}
        self.look: dict[str, str] = {}  # thing: its adjective
        self.flags: dict[tuple, bool] = {}  # (who, "tired") or ((who, who), "cross"): True or False
        self.promises: dict[tuple[str, str], str] = {}  # (who, what): open, kept, broken
        self.favourite: dict[str, str] = {}
        self.phase: int | None = None
        self.weather_now: str | None = None
        self.hero: str | None = None  # the first child of the story: Mama and Papa are theirs
        self.scene: str | None = None  # who acted last
        self.claims = 0

    def fault(self, *words) -> None:
        raise Contradiction(sentence(words))

    # where everybody and everything is

    def place(self, x: str) -> str | None:
        """The place at the end of x's chain, or None if that is not known."""
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
                self.fault(x, "is not at", places[0], "but at", now)

    def away(self, a, place: str) -> None:
        for x in each(a):
            self.claims += 1
            if self.place(x) == place:
                self.fault(x, "is at", place, "already")

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
        """All of them are in one place."""
        members = [x for a in group for x in each(a)]
        spot = None
        for x in members:
            self.claims += 1
            now = self.place(x)
            if now is None:
                continue
            if spot is None:
                spot = now
            elif now != spot:
                self.fault(x, "is at", now, "and not at", spot, "with", members[0])
        if spot is not None:
            for x in members:
                if self.place(x) is None:
                    self._put(x, spot)

    def apart(self, a, b) -> None:
        for x in each(a):
            for y in each(b):
                self.claims += 1
                spot = self.place(x)
                if spot is not None and spot == self.place(y):
                    self.fault(x, "and", y, "are both at", spot)

    def with_(self, a, b) -> None:
        """b comes to where a is."""
        first = each(a)[0]
        self.set_at(b, self.place(first))

    def _put(self, x: str, place: str) -> None:
        """Learn that x is at `place`: whoever holds it is."""
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
                self.fault(*each(a)[:1], "does not have the", o + ", which", self._whereabouts(o))

    def lacks(self, a, o: str) -> None:
        self.claims += 1
        now = self.where.get(o)
        if now in each(a):
            self.fault(*each(a)[:1], "has the", o, "already")

    def set_has(self, a, o: str) -> None:
        self.claims += 1
        if self.where.get(o) == GONE:
            self.fault("the", o, "is gone")
        self.where[o] = each(a)[0]

    def near(self, a, o: str) -> None:
        """o is where a is, held or not."""
        self.claims += 1
        now = self.where.get(o)
        if now in (LOST, GONE):
            self.fault("the", o, self._whereabouts(o))
        spot, own = self.place(o), self.place(each(a)[0])
        if now is None and own is not None:
            self.where[o] = own
        elif spot is not None and own is not None and spot != own:
            self.fault("the", o, "is at", spot, "and not at", own, "with", each(a)[0])

    def within(self, o: str, c: str) -> None:
        self.claims += 1
        now = self.where.get(o)
        if now is None:
            self.where[o] = c
        elif now != c:
            self.fault("the", o, "is not in the", c, "but", self._whereabouts(o))

    def set_within(self, o: str, c: str) -> None:
        self.claims += 1
        if o == c or self.where.get(c) == o:
            self.fault("the", o, "cannot be inside itself")
        elif GONE in (self.where.get(o), self.where.get(c)):
            self.fault("the", o, "or the", c, "is gone")
        else:
            self.where[o] = c

    def unlost(self, o: str) -> None:
        """o is somewhere: neither lost nor gone."""
        self.claims += 1
        if self.where.get(o) in (LOST, GONE):
            self.fault("the", o, self._whereabouts(o))

    def ungone(self, o: str) -> None:
        self.claims += 1
        if self.where.get(o) == GONE:
            self.fault("the", o, "is gone")

    def joins(self, b) -> None:
        """b comes to where the last one who acted is."""
        self.set_at(b, self.place(self.scene) if self.scene else None)

    def lost(self, o: str) -> None:
        self.claims += 1
        if self.where.get(o, LOST) != LOST:
            self.fault("the", o, "is not lost but", self._whereabouts(o))

    def appear(self, o: str) -> None:
        """o turns out to be where the last one who acted is."""
        self.set_at(o, self.place(self.scene) if self.scene else None)

    def set_lost(self, o: str) -> None:
        self.claims += 1
        if self.where.get(o) == GONE:
            self.fault("the", o, "is gone")
        self.where[o] = LOST

    def set_gone(self, o: str) -> None:
        self.claims += 1
        self.where[o] = GONE

    def drop(self, o: str) -> None:
        """o now lies where it is."""
        self.claims += 1
        spot = self.place(o)
        if spot is None:
            self.where.pop(o, None)
        else:
            self.where[o] = spot

    def owns(self, a, o: str) -> None:
        self.claims += 1
        if type(a) is tuple:
            a = a[0] if self.owner.get(o) not in a else self.owner[o]
        if self.owner.setdefault(o, a) != a:
            self.fault("the", o, "belongs to", self.owner[o], "and not to", a)

    def set_owns(self, a, o: str) -> None:
        self.claims += 1
        self.owner[o] = each(a)[0]

    def looks(self, o: str, adjective: str) -> None:
        self.claims += 1
        if self.look.setdefault(o, adjective) != adjective:
            self.fault("the", o, "is", self.look[o], "and not", adjective)

    def _whereabouts(self, o: str) -> str:
        now = self.where.get(o)
        return {None: "is somewhere", LOST: "is lost", GONE: "is gone"}.get(now, f"is with {now}")

    # how everybody is

    def is_(self, a, flag: str) -> None:
        for x in each(a):
            self.claims += 1
            if not self.flags.setdefault((x, flag), True):
                self.fault(x, "is not", flag)

    def not_(self, a, flag: str) -> None:
        for x in each(a):
            self.claims += 1
            if self.flags.setdefault((x, flag), False):
                self.fault(x, "is", flag)

    def set_is(self, a, flag: str) -> None:
        for x in each(a):
            self.claims += 1
            self.flags[x, flag] = True

    def set_not(self, a, flag: str) -> None:
        for x in each(a):
            self.claims += 1
            self.flags[x, flag] = False

    def are(self, a, b, flag: str) -> None:
        """Something between two: cross, friends."""
        self.is_(pair(a, b), flag)

    def arent(self, a, b, flag: str) -> None:
        self.not_(pair(a, b), flag)

    def set_are(self, a, b, flag: str) -> None:
        self.set_is(pair(a, b), flag)

    def set_arent(self, a, b, flag: str) -> None:
        self.set_not(pair(a, b), flag)

    def act(self, a) -> None:
        """a does something, so a is awake and alive."""
        self.scene = each(a)[0]
        for x in each(a):
            self.claims += 1
            if self.flags.get((x, "asleep")):
                self.fault(x, "is asleep")
            if self.flags.get((x, "dead")):
                self.fault(x, "is dead")

    def talk(self, a, b) -> None:
        self.act(a)
        for x in each(a):
            if x in ANIMALS:
                self.fault(x, "cannot talk")
        if b is not None:
            self.here(a, b)
            for x in each(b):
                if self.flags.get((x, "asleep")):
                    self.fault(x, "is asleep and cannot be spoken to")

    def alone(self, a) -> None:
        """Nobody else is where a is."""
        self.claims += 1
        members = each(a)
        spot = self.place(members[0])
        for x in self.where:
            if spot is not None and x in CHARACTERS and x not in members and self.place(x) == spot:
                self.fault(members[0], "is not alone:", x, "is there")

    # promises

    def set_promise(self, a: str, what: str) -> None:
        self.claims += 1
        self.promises[a, what] = "open"

    def promised(self, a: str, what: str) -> None:
        self.claims += 1
        if self.promises.get((a, what)) is None:
            self.fault(a, "never promised to", what)

    def keep(self, a: str, what: str) -> None:
        self._settle(a, what, "kept")

    def breach(self, a: str, what: str) -> None:
        self._settle(a, what, "broken")

    def _settle(self, a: str, what: str, how: str) -> None:
        self.claims += 1
        now = self.promises.get((a, what))
        if now is None:
            self.fault(a, "never promised to", what)
        elif now != "open":
            self.fault(a, "has", now, "the promise to", what, "already")
        self.promises[a, what] = how

    # time and weather

    def now(self, *phases: str) -> None:
        self.claims += 1
        if self.phase is None:
            self.phase = PHASES.index(phases[0])
        elif PHASES[self.phase] not in phases:
            self.fault("it is", PHASES[self.phase], "and not", phases[0])

    def later(self, *phases: str) -> None:
        """The same day goes on until one of `phases`."""
        self.claims += 1
        ahead = [p for p in map(PHASES.index, phases) if self.phase is None or p >= self.phase]
        if ahead:
            self.phase = ahead[0]
        else:
            self.fault("it is", PHASES[self.phase or 0], "already, not", phases[0])
            self.phase = PHASES.index(phases[0])

    def next_day(self, phase: str) -> None:
        """Night passes: everybody wakes, the weather may be anything."""
        self.claims += 1
        self.phase = PHASES.index(phase)
        self.weather_now = None
        for key in self.flags:
            if key[1] == "asleep":
                self.flags[key] = False

    def weather(self, *kinds: str) -> None:
        self.claims += 1
        if self.weather_now is None:
            self.weather_now = kinds[0]
        elif self.weather_now not in kinds:
            self.fault("the weather is", self.weather_now, "and not", kinds[0])

    def set_weather(self, kind: str) -> None:
        self.claims += 1
        if self.weather_now == kind:
            self.fault("the weather is", kind, "already")
        self.weather_now = kind

    def loves(self, a: str, what: str) -> None:
        """What a loves most: one thing."""
        self.claims += 1
        if self.favourite.setdefault(a, what) != what:
            self.fault(a, "loves", self.favourite[a], "and not", what)

    def name_hero(self, a: str) -> None:
        if self.hero is None and a in CHILDREN:
            self.hero = a


def sentence(words: tuple) -> str:
    """The words of a fault as one line; two who are one word are "Mira and Tom"."""
    return " ".join(" and ".join(w.removeprefix("home:") for w in each(word)) for word in words)


def each(a) -> tuple:
    return a if type(a) is tuple else (a,)


def pair(a, b) -> tuple:
    """The two as one key: flags of a pair do not depend on the order."""
    return (tuple(sorted({*each(a), *each(b)})),)
