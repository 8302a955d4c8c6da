"""False sentences to insert into a true story.

Each function looks at the story so far and returns a sentence that is certainly false there, or None if it finds no
occasion for one.
"""

from collections.abc import Callable
from random import Random

from ..lexicon import CHARACTERS, NAMED, PEOPLE, PLACES, THINGS
from ..whereabouts import GONE, LOST
from ..world import PHASES
from .scene import Scene, shuffled, spoken, wording


def wrong_holder(s: Scene, rng: Random) -> str | None:
    """Somebody puts down what another is holding."""
    for o in shuffled(s.things, rng):
        holder = s.world.where.get(o)
        others = [p for p in s.placed if p != holder and s.world.where.get(holder or "") != p]
        if holder in PEOPLE and others:
            return wording("carry", a=rng.choice(others), o=o)
    return None


def gives_what_is_not_had(s: Scene, rng: Random) -> str | None:
    """A gift of something the giver does not have."""
    for o in shuffled(s.things, rng):
        holder = s.world.where.get(o)
        for a in shuffled(s.placed, rng):
            here = [b for b in s.placed if b != a and s.world.place(b) == s.world.place(a)]
            if here and holder is not None and holder != a and s.world.where.get(holder) != a:
                return wording("give", a=a, o=o, b=rng.choice(here))
    return None


def wrong_place(s: Scene, rng: Random) -> str | None:
    """Somebody rests at a place where they are not."""
    if not s.placed:
        return None
    a = rng.choice(s.placed)
    return wording("sit", a=a, l=rng.choice([x for x in PLACES if x != s.world.place(a)]))


def goes_where_one_is(s: Scene, rng: Random) -> str | None:
    """Somebody walks to where they are already."""
    there = [p for p in s.placed if s.world.place(p) in PLACES]
    if not there:
        return None
    a = rng.choice(there)
    return wording("go", a=a, l=s.world.place(a) or "")


def day_and_night(s: Scene, rng: Random) -> str | None:
    """The sun goes backwards, or goes to bed in daylight."""
    if s.world.phase is None:
        return None
    phase = PHASES[s.world.phase]
    if phase in ("morning", "noon", "afternoon"):
        return wording("bed", a=rng.choice(s.placed)) if s.placed else None
    return None if phase == "dawn" else "There was not a cloud in the sky."


def weather_flip(s: Scene, rng: Random) -> str | None:
    """Another weather than the one told, without a change."""
    now = s.world.weather_now
    if now is None:
        return None
    skies = {"rainy": "rain", "windy": "wind", "snowy": "snow", "foggy": "fog"}
    return wording(rng.choice([kind for kind, weather in skies.items() if weather != now]))


def speaks_asleep(s: Scene, rng: Random) -> str | None:
    """Somebody who sleeps talks."""
    asleep = [p for p in s.people if s.world.flags.get((p, "asleep"))]
    if asleep:
        return spoken("Good day!", rng.choice(asleep))
    if len(s.placed) < 1:
        return None
    a = rng.choice(s.placed)
    return wording("sleep", a=a) + " " + spoken("Good day!", a)


def speaker_absent(s: Scene, rng: Random) -> str | None:
    """Somebody far away speaks to somebody here."""
    pairs = [(a, b) for a in s.placed for b in s.placed if a != b and s.world.place(a) != s.world.place(b)]
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    return f'"Good day!" {a if a in NAMED else "the " + a} called to {b if b in NAMED else "the " + b}.'


def animal_speaks(s: Scene, rng: Random) -> str | None:
    """An animal talks like a person."""
    animals = sorted(x for x in s.known if x in CHARACTERS and x not in PEOPLE)
    return spoken("Good day!", rng.choice(animals)) if animals else None


def gone_reappears(s: Scene, rng: Random) -> str | None:
    """What was eaten or lost is in somebody's hand."""
    gone = [o for o in s.things if s.world.where.get(o) in (GONE, LOST)]
    return wording("carry", a=rng.choice(s.placed), o=rng.choice(gone)) if gone and s.placed else None


def two_places(s: Scene, rng: Random) -> str | None:
    """A thing that somebody holds is taken out of a box nobody put it in."""
    held = [o for o in s.things if s.world.where.get(o) in PEOPLE]
    boxes = [o for o in s.things if "box" in THINGS[o][0].split()]
    for o in shuffled(held, rng):
        place = s.world.place(o)
        there = [p for p in s.placed if s.world.place(p) != place]
        if there and place:
            return wording("pick", a=rng.choice(there), o=o)
        box = next((x for x in boxes if x != o), None)
        if box and s.placed:
            return wording("take-out", a=rng.choice(s.placed), o=o, p=box)
        if s.world.where.get(o) in s.placed:
            return wording("pick", a=s.world.where[o], o=o)
    return None


def promise_status(s: Scene, rng: Random) -> str | None:
    """A promise that was kept is broken, one that was broken is kept, one nobody made is remembered."""
    for (a, what), status in s.world.promises.items():
        if what in THINGS or s.world.flags.get((a, "asleep")):
            continue
        if status == "kept":
            return wording("break-word", a=a, k=what)
        if status == "broken":
            return wording("keep-word", a=a, k=what)
    a = next((p for p in s.placed if (p, "feed the hens") not in s.world.promises), None)
    return wording("remember", a=a, k="feed the hens") if a else None


def second_quarrel_ended(s: Scene, rng: Random) -> str | None:
    """Friends who are not cross make up."""
    for a in s.placed:
        for b in s.placed:
            if a < b and s.world.place(a) == s.world.place(b) and s.world.flags.get(((a, b), "cross")) is False:
                return wording("make-up", a=a, b=b, ab=(a, b))
    return None


def unknown_thing(s: Scene, rng: Random) -> str | None:
    """Something nobody has spoken of is picked up."""
    o = rng.choice([x for x in sorted(THINGS) if x not in s.known])
    return wording("pick", a=rng.choice(s.placed), o=o) if s.placed else None


def wrong_owner(s: Scene, rng: Random) -> str | None:
    """Another's thing is called one's own."""
    for o in shuffled(s.things, rng):
        owner = s.world.owner.get(o)
        others = [p for p in s.placed if p != owner and p in NAMED]
        if owner is not None and others:
            return f"{rng.choice(others)}'s greatest treasure was {'an' if o[0] in 'aeiou' else 'a'} {o}."
    return None


INSERTIONS: dict[str, Callable[[Scene, Random], str | None]] = {
    "wrong holder": wrong_holder,
    "gives what one does not have": gives_what_is_not_had,
    "wrong place": wrong_place,
    "goes where one is": goes_where_one_is,
    "day and night": day_and_night,
    "weather flip": weather_flip,
    "speaks asleep": speaks_asleep,
    "speaker absent": speaker_absent,
    "animal speaks": animal_speaks,
    "gone thing reappears": gone_reappears,
    "thing in two places": two_places,
    "promise status": promise_status,
    "nothing to make up": second_quarrel_ended,
    "unknown thing": unknown_thing,
    "wrong owner": wrong_owner,
}
