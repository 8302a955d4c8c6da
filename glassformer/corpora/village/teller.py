"""Tells what happens: chooses wordings, decides who is named and who is "she", joins clauses, and makes paragraphs.

A plot calls `t("give", mira, kite, tom)`. The teller words that, checks it against the simulated World (a contradiction
is a bug in the plot) and changes the World accordingly. It uses a pronoun only if the checker's rule finds the same
person and nobody else could be meant.
"""

from random import Random
from typing import Any, NamedTuple

from .discourse import Entity
from .grammar import Grammar, Kind, Template
from .naming import Naming


class Event(NamedTuple):
    """Something that was told: the number of its sentence, its kind, and who or what took part."""

    sentence: int
    kind: str
    arguments: dict[str, Entity]


class Teller(Naming):
    def __init__(self, rng: Random, grammar: Grammar) -> None:
        super().__init__(rng)
        self.kinds = grammar.kinds
        self.events: list[Event] = []
        self.text: list[str] = []  # finished sentences with their separators
        self.open: list[str] = []  # pieces of the sentence being told
        self.subject: Entity | None = None  # of the open sentence
        self.plain = False  # so far, the open sentence is a plain one
        self.joins = 0
        self.fresh = True  # a paragraph begins
        self.speaker: Entity | None = None  # of the last sentence, if it was speech
        self.listener: Entity | None = None
        self.lead = ""  # words to come before the next clause
        self.turn: dict[str, int] = {}  # kind: which wording comes next
        self.length = 0  # characters so far

    # telling

    def __call__(self, name: str, *arguments: Entity, join: str = "") -> None:
        """Tell a clause. `join` asks for "and", "so", "but" or "then" before it; with "" some clauses are joined
        too."""
        kind = self.kinds[name]
        env: dict[str, Any] = dict(zip(kind.vars, arguments, strict=True))
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
        self.subject, self.plain = a, template.plain
        if template.ends:
            self.stop()

    def _join(self, template: Template, a: Entity | None, join: str) -> str:
        """Join the next clause to the open sentence. Returns "verb" if it shares the subject, "clause" if it has its
        own, and "" if it is not joined."""
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
        plain = plain and self.plain
        if same and plain and template.plain and self.random() < 0.55:
            pieces.append(" and")
            return "verb"
        if same and self.joins == 1 and "," not in so_far and template.plain and self.random() < 0.3:
            pieces.append(", then")
            return "verb"
        return ""

    def _clause(self, template: Template, env: dict[str, Any], shared: bool) -> None:
        self.talk.subject = env["a"] if shared else None
        parts = template.parts[1:] if shared else template.parts
        self.fill(parts, env, self.open)

    def _happened(self, kind: Kind, env: dict) -> None:
        kind.effect(self.world, env)
        self.events.append(Event(self.talk.sentence, kind.name, env))

    def tail(self, name: str, *arguments: Entity) -> None:
        """Add ", <tail>" to the open sentence if its subject allows that; otherwise add nothing."""
        name = "," + name
        kind = self.kinds[name]
        env: dict[str, Any] = dict(zip(kind.vars, arguments, strict=True))
        if not self.open or self.subject != env["a"] or type(env["a"]) is tuple:
            return
        self.open.append(", ")
        self.talk.subject = env["a"]
        self.fill(self._wording(name).parts, env, self.open)
        self._happened(kind, env)
        self.stop()

    def opener(self, name: str, *arguments: Entity) -> None:
        """Put words such as "The next morning," before the next clause."""
        self.stop()
        assert not self.lead, f"'{self.lead}' leads to nothing"
        name = "@" + name
        kind = self.kinds[name]
        env: dict[str, Any] = dict(zip(kind.vars, arguments, strict=True))
        self.talk.subject = None
        pieces: list[str] = []
        self.fill(self._wording(name).parts, env, pieces)
        self._happened(kind, env)
        self.lead = "".join(pieces) + " "

    def when(self, name: str, *arguments: Entity, word: str = "") -> None:
        """Put "When <clause>," before the next clause."""
        self.stop()
        kind = self.kinds[name]
        env: dict[str, Any] = dict(zip(kind.vars, arguments, strict=True))
        if "a" in env and "b" in env:
            env["ab"] = (env["a"], env["b"])
        template = self._wording(name)
        if template.ends:
            self(name, *arguments)
            return
        pieces = [word or ("when " if self.random() < 0.7 else "as soon as ")]
        self.talk.subject = None
        self.fill(template.parts, env, pieces)
        self._happened(kind, env)
        self.lead = "".join(pieces) + ", "

    def say(self, name: str, a: Entity, b: Entity, *more: Entity, how: str = "") -> None:
        """Let a say something to b. `how` names the tag ("whisper"); without it the punctuation decides the tag."""
        self.stop()
        assert not self.lead, f"'{self.lead}' leads to nothing"
        name = '"' + name
        talk, r = self.talk, self.random
        kind = self.kinds[name]
        env: dict[str, Any] = dict(zip(kind.vars, (a, b, *more), strict=False))
        env["a"], env["b"] = a, b
        template = self._wording(name)
        goes_on = self.speaker == a and self.listener == b and not self.fresh and self.text[-1][-1] != '"'
        answers = self.speaker == b and self.listener == a and not how and r() < 0.5
        words: list[str] = []
        if goes_on or answers:
            if answers:
                self.paragraph()
            talk.subject = None
            self.fill(template.parts, env, words)
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
            self.fill(wording.parts, env, tag_words)
            talk.subject = None
            self.fill(template.parts, env, words)
            pieces = [capital("".join(tag_words)), ', "', capital("".join(words)), '"']
        else:
            self.fill(template.parts, env, words)
            talk.subject = None
            self.fill(self._wording(tag.name).parts, env, tag_words)
            said = capital("".join(words))
            said = said[:-1] + "," if said[-1] == "." else said
            pieces = ['"', said, '" ', "".join(tag_words), "."]
        self._utter(pieces, kind, env, tag)

    def _utter(self, pieces: list[str], kind: Kind, env: dict, tag: Kind | None) -> None:
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

    def beginning(self) -> bool:
        return self.fresh and not self.open and not self.lead

    def _wording(self, name: str) -> Template:
        """The next wording of a kind. Wordings take turns from a random start, so that a story does not repeat
        itself."""
        lines = self.kinds[name].lines
        n = len(lines)
        turn = self.turn.get(name)
        turn = int(self.random() * n) if turn is None else turn + 1
        self.turn[name] = turn
        line = lines[turn % n]
        return line[0] if len(line) == 1 else line[int(self.random() * len(line))]


def capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
