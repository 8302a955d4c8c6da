"""The stage of a plot: its characters, and the actions that every plot needs.

A plot asks the stage for people, places and things that the story has not used yet. The stage keeps time, weather and
whereabouts ready for what comes next. Its World knows more than the story has told: where the lost thing lies, who took
it.
"""

from random import Random

from .grammar import Grammar
from .lexicon import BOYS, CREATURES, GIRLS, KINDS_OF_THINGS, PETS, PLACES, PRONOUN, ROLES
from .teller import Teller
from .words import WORDS
from .world import PHASES

PLACE_LIST = sorted(PLACES)
ROLE_LIST = sorted(ROLES)
PET_LIST = sorted(PETS)


class Stage(Teller):
    def __init__(self, rng: Random, grammar: Grammar, hero: str, setting: str) -> None:
        super().__init__(rng, grammar)
        self.hero, self.setting = hero, setting
        self.used: set[str] = {hero, setting}
        self.company: list[str] = []  # children the story has met, friends of the hero
        self.pet: str | None = None
        self.keepsake: str | None = None
        self.world.where[hero] = setting

    # choosing

    def one_of(self, options):
        return options[int(self.random() * len(options))]

    def chance(self, p: float) -> bool:
        return self.random() < p

    def unused(self, options) -> str:
        """One of `options` that the story has not used; it is used from now on."""
        used = self.used
        for _ in range(50):
            choice = self.one_of(options)
            if choice not in used:
                used.add(choice)
                return choice
        choice = next((x for x in options if x not in used), options[0])
        used.add(choice)
        return choice

    def thing(self, kind: str, holder: str | None = None, owner: str | None = None) -> str:
        thing = self.unused(KINDS_OF_THINGS[kind])
        if holder is not None:
            self.world.where[thing] = holder
        if owner is not None:
            self.world.owner[thing] = owner
        return thing

    def somewhere(self, *but: str) -> str:
        """A place where the story has not been yet."""
        return self.unused(PLACE_LIST)

    def child(self, of: str | None = None) -> str:
        """A new child, mostly a girl beside a boy and a boy beside a girl, so that "he" and "she" are clear."""
        girl = PRONOUN[of or self.hero] == "he"
        if self.chance(0.2):
            girl = not girl
        return self.unused(GIRLS if girl else BOYS)

    def role(self, *choices: str) -> str:
        return self.unused(choices or ROLE_LIST)

    def creature(self) -> str:
        return self.unused(CREATURES)

    # bringing about

    def place_of(self, a: str) -> str:
        return self.world.place(a) or ""

    def together(self, a: str, b: str) -> bool:
        return self.world.place(a) == self.world.place(b)

    def friend(self) -> str:
        """A friend of the hero, who is now with the hero: an earlier friend or, if there is none yet, a new one."""
        hero = self.hero
        if self.company:
            friend = self.company[0]
            if not self.together(friend, hero):
                self.come(friend)
            return friend
        friend = self.child()
        self.company.append(friend)
        if self.chance(0.5):
            self.world.where[friend] = self.place_of(hero)
            self("friend-here", friend, hero)
        else:
            self.come(friend, "friend-")
        return friend

    def elder(self) -> str:
        """An adult of the village or of the family, who is now with the hero."""
        e = self.role() if self.chance(0.7) else self.unused(("Mama", "Papa", "Grandma", "Grandpa"))
        self.come(e)
        return e

    def animal(self) -> str:
        """The hero's pet, who is now with the hero."""
        hero = self.hero
        if self.pet is None:
            self.pet = self.unused(PET_LIST)
            self.world.owner[self.pet] = hero
            self.world.where[self.pet] = self.place_of(hero)
            self("pet-with", self.pet, hero)
        elif not self.together(self.pet, hero):
            self.come(self.pet)
        return self.pet

    def parent(self) -> str:
        """Mama or Papa, who is at home with the hero."""
        fresh = [p for p in ("Mama", "Papa") if p not in self.used]
        p = self.one_of(fresh or ("Mama", "Papa"))
        if fresh:
            self.used.add(p)
            self.world.where[p] = self.world.home(self.hero)
        elif not self.together(p, self.hero):
            self("go", p, self.world.home(p))
        return p

    def keep(self, thing: str) -> str:
        """The story may come back to `thing` at its end."""
        self.keepsake = thing
        return thing

    def word(self, klass: str) -> str:
        return self.one_of(WORDS[klass])

    def come(self, b: str, how: str = "") -> None:
        """b comes to the hero. The hero is named if whoever acted last is at another place."""
        at_hero = self.world.scene is not None and self.together(self.world.scene, self.hero)
        self(how + ("comes" if at_hero else "comes-to"), b, self.hero)

    def go(self, a, place: str) -> None:
        first = a[0] if type(a) is tuple else a
        if self.place_of(first) != place:
            self("go-fun" if self.chance(0.15) else "go", a, place)

    def daylight(self) -> None:
        """Make it day; the next morning comes if it is evening or night."""
        world = self.world
        if world.phase is None:
            world.phase = 1
        if PHASES[world.phase] in ("evening", "night"):
            self.fresh_day()
        elif PHASES[world.phase] == "dawn":
            world.phase = 1

    def fresh_day(self, always: bool = False) -> None:
        """The next morning, unless the day has hardly first_items."""
        world = self.world
        if not always and world.phase in (None, 1) and world.weather_now is None:
            world.phase = 1
            return
        hero = self.hero
        if self.place_of(hero) != world.home(hero):
            self.evening()
            self("bed", hero)
        self.paragraph()
        self.opener("next-morning")
        self("get-up", hero)

    def outside(self) -> None:
        """Make it day, and bring the hero to a place that is not a home."""
        self.daylight()
        self.clear()
        hero = self.hero
        if self.place_of(hero).startswith("home:"):
            self("go", hero, self.setting if self.chance(0.5) else self.somewhere())

    def visit(self, b: str) -> None:
        """The hero comes to b's house."""
        self.daylight()
        hero, world = self.hero, self.world
        self.used.add(b)
        house = world.home(b) if b != "baker" else "bakery"
        self.used.add(house)
        world.where[b] = house
        if self.place_of(hero) != house:
            self("go", hero, house)
        if house != world.home(hero):
            self("meet", hero, b)

    def evening(self, home: bool = True) -> None:
        """Evening comes, and the hero goes home."""
        world, hero = self.world, self.hero
        if world.flags.get((hero, "asleep")):
            self.fresh_day()
        if world.phase is None or PHASES[world.phase] not in ("evening", "night"):
            if home and self.place_of(hero) != world.home(hero):
                self.opener("evening")
            else:
                self("evening-comes")
        if home and self.place_of(hero) != world.home(hero):
            self("go", hero, world.home(hero))

    def later(self) -> None:
        """Some time passes, within the day."""
        phase = self.world.phase or 1
        if phase < 3:
            self.opener("noon" if phase == 1 and self.chance(0.3) else "afternoon")
        elif phase == 3:
            self.opener("evening")

    def clear(self) -> None:
        """Let rain stop, so that the weather is no obstacle."""
        if self.world.weather_now in ("rain", "storm"):
            self("rain-stops")
