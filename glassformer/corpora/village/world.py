"""The state of the village, and what a claim asks of it and does to it.

A claim is a method call. A *requirement* (`has`, `at`, `here`, ...) that contradicts the state is a fault; a requirement
about something unknown is believed and remembered. An *effect* (`set_has`, `set_at`, ...) changes the state. The
simulator works on a World that knows everything, where a fault is a bug. The checker replays the same claims on a World
that knows only what it has read so far.
"""

from .lexicon import ANIMALS, CHILDREN
from .whereabouts import Whereabouts, each

SKIES = {
    "sunny": "sunny", "rain": "rainy", "storm": "stormy", "wind": "windy", "fog": "foggy", "snow": "snowy",
}  # fmt: skip
PHASES = ("dawn", "morning", "noon", "afternoon", "evening", "night")


class World(Whereabouts):
    """Everything that can be true in a story: whereabouts, how people are, promises, time and weather."""

    def __init__(self) -> None:
        super().__init__()
        self.flags: dict[tuple, bool] = {}  # (who, "tired") or ((who, who), "cross"): True or False
        self.promises: dict[tuple[str, str], str] = {}  # (who, what): open, kept, broken
        self.favourite: dict[str, str] = {}
        self.phase: int | None = None
        self.weather_now: str | None = None

    # how everybody is

    def is_(self, a, flag: str) -> None:
        for x in each(a):
            self.claims += 1
            if not self.flags.setdefault((x, flag), True):
                self.fault(x, "are not" if type(x) is tuple else "is not", flag)

    def not_(self, a, flag: str) -> None:
        for x in each(a):
            self.claims += 1
            if self.flags.setdefault((x, flag), False):
                self.fault(x, "are" if type(x) is tuple else "is", flag)

    def set_is(self, a, flag: str) -> None:
        for x in each(a):
            self.claims += 1
            self.flags[x, flag] = True

    def set_not(self, a, flag: str) -> None:
        for x in each(a):
            self.claims += 1
            self.flags[x, flag] = False

    def are(self, a, b, flag: str) -> None:
        """Something holds between two people: they are cross, or friends."""
        self.is_(pair(a, b), flag)

    def arent(self, a, b, flag: str) -> None:
        self.not_(pair(a, b), flag)

    def set_are(self, a, b, flag: str) -> None:
        self.set_is(pair(a, b), flag)

    def set_arent(self, a, b, flag: str) -> None:
        self.set_not(pair(a, b), flag)

    def act(self, a) -> None:
        """a does something, so a must be awake and alive."""
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
            self.fault("it is", PHASES[self.phase], "now, not", phases[0])

    def later(self, *phases: str) -> None:
        """The same day goes on, until the first of `phases` that is not over."""
        self.claims += 1
        ahead = [p for p in map(PHASES.index, phases) if self.phase is None or p >= self.phase]
        if ahead:
            self.phase = ahead[0]
        else:
            self.fault("it is", PHASES[self.phase or 0], "already, not", phases[0])
            self.phase = PHASES.index(phases[0])

    def next_day(self, phase: str) -> None:
        """A night passes: everybody wakes up, and the weather may be anything."""
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
            self.fault(f"the weather is {SKIES[self.weather_now]}, not {SKIES[kinds[0]]}")

    def set_weather(self, kind: str) -> None:
        self.claims += 1
        if self.weather_now == kind:
            self.fault(f"the weather is {SKIES[kind]} already")
        self.weather_now = kind

    def loves(self, a: str, what: str) -> None:
        """a loves `what` most; there is only one such thing."""
        self.claims += 1
        if self.favourite.setdefault(a, what) != what:
            self.fault(a, f"loves {self.favourite[a]}, not {what}")

    def name_hero(self, a: str) -> None:
        if self.hero is None and a in CHILDREN:
            self.hero = a


def pair(a, b) -> tuple:
    """Two people as one key, the same in either order."""
    return (tuple(sorted({*each(a), *each(b)})),)
