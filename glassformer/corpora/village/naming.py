"""How people, things and places are named at this point of a story: by name, as "the little lamb", or as "she".

A pronoun is used only if the rule of `discourse` finds the right one and nobody else could be meant.
"""

from random import Random
from typing import Any

from .discourse import Discourse, Entity, pronoun_of
from .grammar import AN, BOUND, CLASS, LITERAL, WHAT, WHO
from .lexicon import ADJECTIVES, CHILDREN, CREATURES, FORMS, NAMED, PETS, PLACES, PRONOUN, article
from .words import WORDS
from .world import World


class Naming:
    """Fills the slots of a wording with names and pronouns, and remembers who was mentioned."""

    def __init__(self, rng: Random) -> None:
        self.random = rng.random
        self.world = World()
        self.talk = Discourse()

    def beginning(self) -> bool:
        """Whether a paragraph begins here, where people are called by name."""
        return False

    def fill(self, parts: tuple, env: dict, out: list[str]) -> None:
        random = self.random
        an = False
        for role, x, case in parts:
            if role == LITERAL:
                word = x
            elif role == WHO:
                word = self._who(env[x], case, x == "a" or x == "ab")
            elif role == WHAT:
                word = self._what(env[x], case)
            elif role == CLASS:
                options = WORDS[case]
                word = options[int(random() * len(options))]
            elif role == BOUND:
                word = env[x]
            elif role == AN:
                an = True
                continue
            else:
                word = self._place(env[x], case)
            if an and word != " ":
                out.append(article(word) + " ")
                an = False
            elif an:
                continue
            out.append(word)

    def _who(self, e: Any, case: str, leads: bool) -> str:
        talk = self.talk
        several = type(e) is tuple
        if case == "was":
            return "were" if several else "was"
        if case == "himself":
            talk.mention(e)
            return FORMS[pronoun_of(e)]["himself"]
        if case == "child":
            return "girl" if PRONOUN[e] == "she" else "boy"
        if case == "species":
            return PETS[e][0]
        if case == "voc":
            talk.mention(e)
            return e
        if case in ("new", "an"):
            talk.known.add(e)
            talk.mention(e)
            if e in CHILDREN and case == "new":
                self.world.name_hero(e)
            if leads and talk.subject is None:
                talk.subject = e
            return e if case == "new" else self._noun(e, 0.5, "a")
        if case != "name" and self._may_be_pronoun(e, case):
            talk.mention(e)
            if leads and case == "" and talk.subject is None:
                talk.subject = e
            return FORMS["they" if several else PRONOUN[e]][case]
        if several:
            word = " and ".join([x if x in NAMED else "the " + x for x in e])
        elif e in NAMED:
            word = e
        else:
            word = self._noun(e, 0.15, "the") if e in CREATURES else "the " + e
        talk.mention(e)
        if leads and case in ("", "name") and talk.subject is None:
            talk.subject = e
        return word + "'s" if case == "his" else word

    def _may_be_pronoun(self, e: Any, case: str) -> bool:
        talk = self.talk
        pronoun = "they" if type(e) is tuple else PRONOUN[e]
        found = talk.resolve(pronoun, case)
        if found != e and not (type(e) is tuple and found is not None and set(found) == set(e)):
            return False
        e = found
        sentence, seen = talk.sentence, talk.seen
        if talk.subject == e:  # nobody else named in this very clause
            recent = sentence
        elif (
            seen.get(e, -9) < sentence - (4 if pronoun == "they" else 1)
            or self.beginning()
            or (seen[e] < sentence and self.random() < 0.12)
        ):
            return False
        else:
            recent = min(sentence - 1, seen[e])
        return not any(when >= recent and other != e and _rivals(other, e) for other, when in seen.items())

    def _what(self, o: str, case: str) -> str:
        talk = self.talk
        if case == "an":
            talk.known.add(o)
            talk.mention(o)
            return self._noun(o, 0.7, "a")
        if case == "bare":
            word = self._noun(o, 0.0 if o in talk.known else 0.6, "")
            talk.known.add(o)
            talk.mention(o)
            return word
        if case == "" and self._may_be_pronoun(o, ""):
            talk.mention(o)
            return "it"
        subject = talk.subject
        if subject is not None and self.world.owner.get(o) == subject and self.random() < 0.55:
            talk.mention(subject)
            talk.known.add(o)
            self.world.owns(subject, o)
            word = FORMS[pronoun_of(subject)]["his"] + " " + self._noun(o, 0.1, "")
        else:
            word = self._noun(o, 0.2, "the")
        talk.mention(o)
        return word

    def _noun(self, o: str, described: float, lead: str) -> str:
        """ "kite", "red kite", "a red kite", "the red kite"."""
        look = self.world.look.get(o)
        if self.random() < described:
            if look is None:
                options = ADJECTIVES[o]
                look = self.world.look[o] = options[int(self.random() * len(options))]
            o = look + " " + o
        if lead == "a":
            lead = article(o)
        return lead + " " + o if lead else o

    def _place(self, place: str, case: str) -> str:
        if place in PLACES:
            return f"{PLACES[place][case == 'to']} the {place}" if case else "the " + place
        subject, world = self.talk.subject, self.world
        if case and type(subject) is str and world.home(subject) == place:
            return "home" if case == "to" else "at home"
        owner = place.removeprefix("home:")
        house = self._who(owner, "his", False) + " house"
        return f"{case} {house}" if case else house


def _rivals(other: Entity, e: Entity) -> bool:
    """Whether the pronoun for e could be taken to mean `other`."""
    if isinstance(e, tuple):
        return set(other) != set(e) if isinstance(other, tuple) else other not in e and PRONOUN[other] != "it"
    return not isinstance(other, tuple) and PRONOUN[other] == PRONOUN[e]
