"""A story up to one of its sentences, and how to word a false sentence that comes next."""

from random import Random
from typing import Any

from ..discourse import Entity
from ..lexicon import CHILDREN, NAMED, PEOPLE, PRONOUN, THINGS
from ..naming import Naming
from ..plots import GRAMMAR
from ..reading import read
from ..story import Story
from ..teller import capital
from ..whereabouts import each
from ..world import World


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
