"""Tells what happens: picks wordings, decides who is named and who is "she", joins clauses, breaks paragraphs.

A plot calls `t("give", mira, kite, tom)`; the teller words it, checks it against the simulated world (a contradiction
is a bug in the plot) and lets it happen there. It says a pronoun only where the checker's rule finds the same person
and nobody else could be meant.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from .discourse import Discourse, Entity, pronoun_of
from .grammar import AN, BOUND, CLASS, LITERAL, WHAT, WHO, Grammar, Template
from .lexicon import ADJECTIVES, CHILDREN, CREATURES, FORMS, NAMED, PETS, PLACES, PRONOUN, article
from .words import WORDS
from .world import World, each


class Event(NamedTuple):
    """Something that was told: in which sentence, what, and with whom."""

    sentence: int
    kind: str
    arguments: dict[str, Entity]


class Teller:
    def __init__(self, rng: Random, grammar: Grammar) -> None:
        self.rng, self.random = rng, rng.random
        self.kinds = grammar.kinds
        self.world = World()
        self.talk = Discourse()
        self.events: list[Event] = []
        self.text: list[str] = []  # finished sentences with their separators
        self.open: list[str] = []  # pieces of the sentence being told
        self.subject: Entity | None = None  # of the open sentence
        self.joins = 0
        self.fresh = True  # a paragraph begins
        self.speaker: Entity | None = None  # of the last sentence, if it was speech
        self.listener: Entity | None = None
        self.lead = ""  # words to come before the next clause
        self.turn: dict[str, int] = {}  # kind: which wording comes next
        self.length = 0  # characters so far

    # telling

    def __call__(self, name: str, *arguments: Entity, join: str = "") -> None:
        """Tell a clause. `join` is "and", "so", "but", "then" or ""; some clauses are joined without being asked."""
        kind = self.kinds[name]
        env = dict(zip(kind.vars, arguments, strict=True))
        if "a" in env and "b" in env:
            env["ab"] = (env["a"], env["b"])
        template = self._wording(name)
        a = env.get("a") if template.leads else None
        joined = self._join(template, a, join)
        if joined:
            self.joins += 1
        else:
            self.stop()
            if self.lead:
                self.open.append(self.lead)
                self.lead = ""
        self._clause(template, env, joined == "verb")
        self._happened(kind, env)
        self.subject = a if a is not None else None
        if template.ends:
            self.stop()

    def _join(self, template: Template, a: Entity | None, join: str) -> str:
        """Join the next clause to the open sentence: "verb" if it shares the subject, "clause" if not, "" not at all."""
        pieces = self.open
        if not pieces or template.ends or self.lead or self.joins == 2:
            return ""
        same = a is not None and a == self.subject
        so_far = "".join(pieces)
        plain = "," not in so_far and " and " not in so_far
        if join in ("so", "but", "and"):
            if same and plain and join != "so":
                pieces.append(" " + join)
                return "verb"
            pieces.append(f", {join} ")
            return "clause"
        if same and plain and template.plain and self.random() < 0.5:
            pieces.append(" and")
            return "verb"
        if same and self.joins == 1 and "," not in so_far and template.plain and self.random() < 0.3:
            pieces.append(", then")
            return "verb"
        return ""

    def _clause(self, template: Template, env: dict, shared: bool) -> None:
        self.talk.subject = env["a"] if shared else None
        parts = template.parts[1:] if shared else template.parts
        self._words(parts, env, self.open)

    def _happened(self, kind, env: dict) -> None:
        kind.effect(self.world, env)
        self.events.append(Event(self.talk.sentence, kind.name, env))

    def tail(self, name: str, *arguments: Entity) -> None:
        """Add ", <tail>" to the sentence being told, if it can bear one; otherwise say nothing."""
        name = "," + name
        kind = self.kinds[name]
        env = dict(zip(kind.vars, arguments, strict=True))
        if not self.open or self.subject != env["a"] or type(env["a"]) is tuple:
            return
        self.open.append(", ")
        self.talk.subject = env["a"]
        self._words(self._wording(name).parts, env, self.open)
        self._happened(kind, env)
        self.stop()

    def opener(self, name: str, *arguments: Entity) -> None:
        """Words such as "The next morning," before the next clause."""
        self.stop()
        name = "@" + name
        kind = self.kinds[name]
        env = dict(zip(kind.vars, arguments, strict=True))
        self.talk.subject = None
        pieces: list[str] = []
        self._words(self._wording(name).parts, env, pieces)
        self._happened(kind, env)
        self.lead = "".join(pieces) + " "

    def when(self, name: str, *arguments: Entity, word: str = "") -> None:
        """ "When <clause>," before the next clause."""
        self.stop()
        kind = self.kinds[name]
        env = dict(zip(kind.vars, arguments, strict=True))
        if "a" in env and "b" in env:
            env["ab"] = (env["a"], env["b"])
        template = self._wording(name)
        if template.ends:
            self(name, *arguments)
            return
        pieces = [word or ("when " if self.random() < 0.7 else "as soon as ")]
        self.talk.subject = None
        self._words(template.parts, env, pieces)
        self._happened(kind, env)
        self.lead = "".join(pieces) + ", "

    def say(self, name: str, a: Entity, b: Entity, *more: Entity, how: str = "") -> None:
        """a says something to b. `how` names a tag ("whisper"); without it the tag follows the punctuation."""
        self.stop()
        name = '"' + name
        talk, r = self.talk, self.random
        kind = self.kinds[name]
        env = dict(zip(kind.vars, (a, b, *more), strict=False))
        env["a"], env["b"] = a, b
        template = self._wording(name)
        goes_on = self.speaker == a and self.listener == b and not self.fresh
        answers = self.speaker == b and self.listener == a and not how and r() < 0.5
        words: list[str] = []
        if goes_on or answers:
            if answers:
                self.paragraph()
            talk.subject = None
            self._words(template.parts, env, words)
            self._utter(['"', capital("".join(words)), '"'], kind, env, None)
            return
        partner = talk.partner(a)
        clear = partner == b or template.vocative
        before = r() < 0.18 and (not how or "%" + how in self.kinds)
        talk.subject = None
        mood = how or {".": "s", "!": "e", "?": "q"}[template.parts[-1][1][-1]]
        tag = self.kinds[("%" if before else "^") + mood + ("" if clear else "-to")]
        tag_words: list[str] = []
        if before:
            wording = self._wording(tag.name)
            self._words(wording.parts, env, tag_words)
            talk.subject = None
            self._words(template.parts, env, words)
            pieces = [capital("".join(tag_words)), ', "', capital("".join(words)), '"']
        else:
            self._words(template.parts, env, words)
            talk.subject = None
            self._words(self._wording(tag.name).parts, env, tag_words)
            said = capital("".join(words))
            said = said[:-1] + "," if said[-1] == "." else said
            pieces = ['"', said, '" ', "".join(tag_words), "."]
        self._utter(pieces, kind, env, tag)

    def _utter(self, pieces: list[str], kind, env: dict, tag) -> None:
        a, b = env["a"], env["b"]
        self.world.talk(a, b)
        self._happened(kind, env)
        if tag is not None:
            tag.effect(self.world, env)
        self._finish("".join(pieces))
        self.speaker, self.listener = a, b

    def stop(self) -> None:
        """End the sentence being told."""
        pieces = self.open
        if pieces:
            sentence = "".join(pieces)
            if sentence[-1] not in ".!?":
                sentence += "."
            self.open = []
            self.joins = 0
            self.subject = None
            self._finish(capital(sentence))
            self.speaker = None

    def _finish(self, sentence: str) -> None:
        if self.text:
            self.text.append("\n\n" if self.fresh else " ")
        self.text.append(sentence)
        self.length += len(sentence) + 1
        self.fresh = False
        self.talk.sentence += 1

    def paragraph(self) -> None:
        self.stop()
        self.fresh = True

    def finish(self) -> str:
        self.stop()
        return "".join(self.text)

    # wording

    def _wording(self, name: str) -> Template:
        """The next wording of a kind: they take turns from a random start, so a story does not repeat itself."""
        lines = self.kinds[name].lines
        n = len(lines)
        turn = self.turn.get(name)
        turn = int(self.random() * n) if turn is None else turn + 1
        self.turn[name] = turn
        line = lines[turn % n]
        return line[0] if len(line) == 1 else line[int(self.random() * len(line))]

    def _words(self, parts: tuple, env: dict, out: list[str]) -> None:
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

    def _who(self, e: Entity, case: str, leads: bool) -> str:
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

    def _may_be_pronoun(self, e: Entity, case: str) -> bool:
        talk = self.talk
        pronoun = "they" if type(e) is tuple else PRONOUN[e]
        found = talk.resolve(pronoun, case)
        if found != e and not (type(e) is tuple and found is not None and set(found) == set(e)):
            return False
        e = found
        own = talk.subject == e
        sentence, seen = talk.sentence, talk.seen
        if not own:
            if (
                seen.get(e, -9) < sentence - (4 if pronoun == "they" else 1)
                or self.fresh
                and not self.open
                and not self.lead
            ):
                return False
            if self.random() < 0.12:
                return False
        recent = sentence if own else min(sentence - 1, seen[e])
        for other, when in seen.items():
            if when >= recent and other != e:
                if pronoun == "they":
                    if (
                        type(other) is not tuple
                        and other not in e
                        and PRONOUN[other] != "it"
                        or type(other) is tuple
                        and set(other) != set(e)
                    ):
                        return False
                elif type(other) is str and PRONOUN[other] == pronoun:
                    return False
        return True

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


def capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


__all__ = ["Callable", "Event", "Teller", "each"]
