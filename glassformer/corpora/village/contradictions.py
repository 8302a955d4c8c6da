"""Plants one contradiction in a true story, to find out whether the checker can see it.

The planter knows what the simulator did (the story's events) and never asks the checker. It replays the events up to a
sentence, finds something that is certainly false there, and says it in the grammar's own words, or changes a word.

>>> plant(tell(0, "train", 7), "wrong holder", Random(1))  # the same story, in which somebody gives what another has
"""

import re
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from .discourse import Entity
from .lexicon import CHARACTERS, CHILDREN, FORMS, NAMED, PEOPLE, PLACES, PRONOUN, THINGS
from .naming import Naming
from .plots import GRAMMAR
from .reading import read
from .story import Story
from .teller import capital
from .world import GONE, LOST, PHASES, World, each


class Scene:
    """A story up to one of its sentences: what is told by then, and where a false sentence could go."""

    def __init__(self, story: Story, cut: int) -> None:
        self.world = Told()
        self.known: set[str] = set()
        for event in story.events:
            if event.sentence >= cut:
                break
            kind = GRAMMAR.kinds[event.kind]
            kind.effect(self.world, event.arguments)
            for value in event.arguments.values():
                for x in each(value):
                    if x in PRONOUN:
                        self.known.add(x)
                        if x in CHILDREN:
                            self.world.name_hero(x)
        self.people = sorted(self.known & PEOPLE)
        self.placed = [p for p in self.people if self.world.place(p) and not self.world.flags.get((p, "asleep"))]
        self.things = sorted(self.known & THINGS.keys())


class Told(World):
    """The simulator's events replayed from nothing: what the story has told so far."""

    def fault(self, *words) -> None:
        pass


def wording(kind: str, **arguments: Entity) -> str:
    """A sentence of `kind` in which everybody is named."""
    words: list[str] = []
    template = GRAMMAR.kinds[kind].lines[0][0]
    Plain(Random(0)).fill(template.parts, arguments, words)
    sentence = capital("".join(words))
    return sentence if template.ends else sentence + "."


class Plain(Naming):
    """Calls everybody and everything by name, without adjectives."""

    def _may_be_pronoun(self, e: Any, case: str) -> bool:
        return False

    def _noun(self, o: str, described: float, lead: str) -> str:
        return super()._noun(o, 0, lead)


def spoken(words: str, name: str) -> str:
    return f'"{words}" said {name if name in NAMED else "the " + name}.'


# Each planter gives a false sentence to insert at the cut (or a whole new list of sentences), or None if it finds no place.


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


def stranger(text: str, story: Story, rng: Random) -> str | None:
    """One mention of a child becomes another child's name, of whom nobody has spoken."""
    spots = [m for m in re.finditer(r"\b[A-Z][a-z]+\b", text) if m.group() in CHILDREN]
    if not spots:
        return None
    m = rng.choice(spots[1:] or spots)
    others = sorted(x for x in CHILDREN if PRONOUN[x] == PRONOUN[m.group()] and not re.search(rf"\b{x}\b", text))
    introduced = text[: m.start()].rstrip().endswith(("named", "called", "name was", "friend", "boy", "girl"))
    return None if introduced else text[: m.start()] + rng.choice(others) + text[m.end() :]


def wrong_gender(text: str, story: Story, rng: Random) -> str | None:
    """ "She" becomes "he" where nobody in the story is a he yet (or the other way round)."""
    genders = {PRONOUN[x]: x for x in CHARACTERS if re.search(rf"\b{x}\b", text)}
    for old, new in (("she", "he"), ("he", "she")):
        first = min(
            (m.start() for x in CHARACTERS if PRONOUN[x] == new for m in re.finditer(rf"\b{x}\b", text)),
            default=len(text),
        )
        spots = [m for m in re.finditer(rf"\b({old}|{old.capitalize()})\b", text) if m.end() < first]
        if spots and old in genders:
            m = rng.choice(spots)
            word = FORMS[new][""]
            return text[: m.start()] + (word.capitalize() if m.group()[0].isupper() else word) + text[m.end() :]
    return None


def wrong_look(text: str, story: Story, rng: Random) -> str | None:
    """A red kite is blue in another sentence."""
    for o in shuffled(sorted(THINGS), rng):
        looks = THINGS[o][1].split()
        spots = [m for m in re.finditer(rf"\b({'|'.join(looks)}) {o}\b", text)]
        if len(spots) > 1:
            m = rng.choice(spots)
            others = [x for x in looks if x != m.group(1) and (x[0] in "aeiou") == (m.group(1)[0] in "aeiou")]
            if others:
                return text[: m.start(1)] + rng.choice(others) + text[m.end(1) :]
    return None


def swapped_order(text: str, story: Story, rng: Random) -> str | None:
    """The sentence that introduces somebody or something changes places with one that speaks of it."""
    sentences = split(text)
    pattern = re.compile(r"(?:named|called|friend) ([A-Z][a-z]+)|([A-Z][a-z]+), who lived next door")
    for i in shuffled(range(len(sentences)), rng):
        m = pattern.search(sentences[i])
        name = m and (m[1] or m[2])
        if not name or re.search(rf"\b{name}\b", "".join(sentences[:i])):
            continue
        for j in range(i + 1, min(i + 6, len(sentences))):
            if re.search(rf"\b{name}\b", sentences[j]) and "\n" not in sentences[i].strip(" ") + sentences[j].strip(
                " "
            ):
                swapped = list(sentences)
                swapped[i], swapped[j] = sentences[j], sentences[i]
                return "".join(swapped)
    return None


REWRITES: dict[str, Callable[[str, Story, Random], str | None]] = {
    "swapped name": stranger,
    "wrong pronoun": wrong_gender,
    "wrong look": wrong_look,
    "sentences swapped": swapped_order,
}
KINDS = (*INSERTIONS, *REWRITES)


class Planted(NamedTuple):
    """A story that is false in one place."""

    text: str
    sentence: str
    """The false sentence where one was put in, "" where a word was changed."""


def plant(story: Story, kind: str, rng: Random) -> str | None:
    """The story's text with one contradiction of `kind` in it, or None if the story gives no occasion for it."""
    planted = plant_at(story, kind, rng)
    return None if planted is None else planted.text


def plant_at(story: Story, kind: str, rng: Random) -> Planted | None:
    """As `plant`, and the false sentence."""
    if kind in REWRITES:
        text = REWRITES[kind](story.text, story, rng)
        return None if text is None else Planted(text, "")
    sentences = split(story.text)
    cuts = list(range(1, len(sentences) + 1))
    rng.shuffle(cuts)
    for cut in cuts[:6]:
        if cut < len(sentences) and sentences[cut].startswith('"'):
            continue  # a sentence before it would change who speaks
        false = INSERTIONS[kind](Scene(story, cut), rng)
        if false is not None:
            head, rest = "".join(sentences[:cut]), "".join(sentences[cut:])
            kept = head.rstrip()
            return Planted(f"{kept} {false}{head[len(kept) :]}{rest}", false)
    return None


def split(text: str) -> list[str]:
    """The sentences with the white space that follows them."""
    pieces, end = [], 0
    starts = []
    for sentence in read(text, GRAMMAR):
        at = text.index(sentence.text, end)
        starts.append(at)
        end = at + len(sentence.text)
    for a, b in zip(starts, [*starts[1:], len(text)], strict=True):
        pieces.append(text[a:b])
    return pieces


def shuffled(items, rng: Random) -> list:
    items = list(items)
    rng.shuffle(items)
    return items
