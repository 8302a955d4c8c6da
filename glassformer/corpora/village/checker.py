"""Reads a story and says what is wrong with it, knowing only the text.

`check(text)` reads sentence after sentence with the grammar, finds out who "she" and "it" are by the rule of
`discourse`, and replays every claim on a World that starts empty. Facts that were never stated contradict nothing;
stated facts must stay true until the story says that they have changed.

>>> check("Once there was a boy called Tom. Mira gave the kite to Tom.").sentences[1].contradictions
['nobody has said who Mira is', 'nobody has spoken of the kite before']
"""

from functools import cache
from typing import NamedTuple

from .discourse import Discourse, Entity
from .grammar import Grammar
from .lexicon import CHILDREN, CREATURES, KIN, PEOPLE, PETS, PRONOUN, ROLES, THINGS
from .reading import Sentence, Unit, read
from .whereabouts import GONE, each, sentence
from .world import World

SPEECH = ("speech", "after", "before")


class Verdict(NamedTuple):
    """What the checker says of one sentence."""

    sentence: str
    start: int
    """Where the sentence begins in the text."""
    understood: bool
    claims: int
    contradictions: list[str]
    kinds: tuple[str, ...] = ()
    """The kinds of its clauses, by the grammar."""
    people: frozenset[str] = frozenset()
    """The people whom it speaks of, by name or by a pronoun."""

    @property
    def end(self) -> int:
        """The place after its last character."""
        return self.start + len(self.sentence)

    @property
    def wrong(self) -> int:
        """How many of its claims contradict something."""
        return min(self.claims, len(self.contradictions))


class Report(NamedTuple):
    """What the checker says of a story."""

    sentences: list[Verdict]

    @property
    def understood(self) -> float:
        """Share of sentences that the grammar understands."""
        return sum(v.understood for v in self.sentences) / max(1, len(self.sentences))

    @property
    def claims(self) -> int:
        return sum(v.claims for v in self.sentences)

    @property
    def consistent(self) -> float:
        """Share of the claims understood that contradict nothing before them; 0 if nothing was claimed."""
        return 1 - sum(v.wrong for v in self.sentences) / self.claims if self.claims else 0.0

    @property
    def wholly_right(self) -> bool:
        """Whether every sentence is understood, nothing is contradicted, and there is at least one sentence."""
        return bool(self.sentences) and all(v.understood and not v.contradictions for v in self.sentences)


class ReadersWorld(World):
    """A World that records faults instead of raising them."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []

    def fault(self, *words) -> None:
        self.faults.append(sentence(words))


@cache
def grammar() -> Grammar:
    """The grammar of the village, compiled at the first call."""
    from .plots import GRAMMAR

    return GRAMMAR


def check(text: str) -> Report:
    """Read and verify a story. Never raises; linear in the length of the text."""
    reader = Reader()
    return Report([reader.verdict(found) for found in read(text, grammar())])


class Reader:
    """Reads a story sentence by sentence and replays its claims on a World."""

    def __init__(self) -> None:
        self.world = ReadersWorld()
        self.talk = Discourse()
        self.speaker: Entity | None = None  # of the last sentence, if it was speech
        self.listener: Entity | None = None
        self.events: list[tuple[str, dict]] = []

    def verdict(self, found: Sentence) -> Verdict:
        world, before = self.world, len(self.events)
        world.faults, world.claims = [], 0
        if found.units is None:
            self.speaker = None
            return Verdict(found.text, found.start, False, 0, [])
        spoken = [u for u in found.units if u.template.kind.form in SPEECH]
        if spoken:
            self._speech(spoken, found.starts_paragraph)
            subject = self.speaker
        else:
            self.speaker = subject = None
        for unit in found.units:
            if unit.template.kind.form not in SPEECH:
                subject = self._unit(unit, subject)
        self.talk.sentence += 1
        told = self.events[before:]
        return Verdict(
            found.text, found.start, True, max(world.claims, len(world.faults)), world.faults,
            tuple(kind for kind, _ in told),
            frozenset(x for _, env in told for entity in env.values() for x in each(entity) if x in PEOPLE),
        )  # fmt: skip

    def _unit(self, unit: Unit, subject: Entity | None) -> Entity | None:
        """Find out whom the clause speaks of, then apply what it says. Returns its subject."""
        env: dict = {}
        self.talk.subject = None
        if unit.shared:
            if subject is None:
                self.world.fault("nobody is the subject of:", unit.template.kind.name)
                return None
            env["a"] = self.talk.subject = subject
        self._fill(unit, env)
        self._happen(unit, env)
        return env.get("a", subject)

    def _speech(self, units: list[Unit], starts_paragraph: bool) -> None:
        """Find out who speaks to whom, by the tag, by a name that is called, or by the rule of turns. Then apply what
        is said."""
        recent = list(self.talk.recent)
        told: list[tuple[Unit, dict]] = []
        speaker = listener = None
        tagged = False
        for unit in units:
            env: dict = {}
            self.talk.subject = None
            self._fill(unit, env)
            if unit.template.kind.form != "speech":
                speaker, tagged = env.get("a"), True
            listener = env.get("b", listener)
            told.append((unit, env))
        if not tagged:  # at the start of a paragraph somebody answers, else the same one goes on
            answer = starts_paragraph
            speaker, default = (self.listener, self.speaker) if answer else (self.speaker, self.listener)
            listener = listener or default
        self.speaker = None
        if speaker is None:
            self.world.fault("nobody is known to say this")
            return
        if listener is None:
            listener = next((x for x in reversed(recent) if x not in each(speaker)), None)
        self.world.talk(speaker, listener)
        self.speaker, self.listener = speaker, listener
        for unit, env in told:
            env["a"], env["b"] = speaker, listener
            self._happen(unit, env)
        self.talk.subject = speaker

    def _happen(self, unit: Unit, env: dict) -> None:
        kind = unit.template.kind
        missing = kind.needed - env.keys()
        if missing:
            return
        kind.effect(self.world, env)
        self.events.append((kind.name, env))
        for var, case, ref in unit.slots:
            if ref[0] == "agrees":
                self._agree(case, ref[1], env.get(var))

    def _agree(self, case: str, word: str, entity: Entity | None) -> None:
        if entity is None:
            return
        self.world.claims += 1
        if case == "was":
            fits = word == ("were" if type(entity) is tuple else "was")
        elif case == "child":
            fits = entity in CHILDREN and word == ("girl" if PRONOUN[entity] == "she" else "boy")
        else:
            fits = entity in PETS and PETS[entity][0] == word
        if not fits:
            self.world.fault(f"'{word}' does not fit", *each(entity))

    def _fill(self, unit: Unit, env: dict) -> None:
        """Find out whom and what the slots mean, from left to right."""
        for var, case, ref in unit.slots:
            if type(ref) is str:
                env[var] = ref
                continue
            if ref[0] == "agrees":
                continue
            entity = self._resolve(case, ref)
            if entity is None:
                continue
            if var in env and env[var] != entity and not same(env[var], entity):
                if case not in ("", "name", "him", "new", "voc"):
                    self.world.claims += 1
                    self.world.fault(f"'{ref[1]}' should be", *each(env[var]), "and is", *each(entity))
                    continue
            env.setdefault(var, entity)
            if var == "ab" and type(entity) is tuple:
                env["a"], env["b"] = entity
            if var in ("a", "ab") and case in ("", "name", "new", "an") and self.talk.subject is None:
                self.talk.subject = entity

    def _resolve(self, case: str, ref: tuple) -> Entity | None:
        talk, world = self.talk, self.world
        what = ref[0]
        if what == "pronoun":
            world.claims += 1
            entity = talk.resolve(ref[1], case)
            if entity is None:
                world.fault(f"nobody is meant by '{ref[1]}'")
                return None
            talk.mention(entity)
            return entity
        if what == "place":
            return ref[1]
        if what == "home":
            owner = talk.subject if ref[1] is None else self._resolve("his", ref[1])
            return None if owner is None else world.home(owner)
        if what == "group":
            for member in ref[1:]:
                self._known(member)
            if ref[1] == ref[2]:
                world.fault(ref[1], "cannot be two")
            talk.mention(ref[1:])
            return ref[1:]
        if what == "owned":
            owner = self._resolve("his", ref[1])
            entity, adjective = ref[2], ref[3]
            talk.known.add(entity)
            if owner is not None:
                world.owns(owner, entity)
        else:
            entity, adjective = ref[1], ref[2]
            if what == "new":
                world.claims += 1
                placed = entity not in THINGS or world.where.get(entity) not in (None, GONE)
                if case != "bare" and entity in talk.known and placed:
                    world.fault(entity, "is introduced a second time")
                talk.known.add(entity)
                if case == "new":
                    world.name_hero(entity)
            else:
                self._known(entity)
        if adjective is not None:
            world.looks(entity, adjective)
        talk.mention(entity)
        return entity

    def _known(self, entity: str) -> None:
        if entity in self.talk.known or entity in KIN or entity in ROLES:
            return
        self.world.claims += 1
        if entity in THINGS or entity in CREATURES:
            self.world.fault("nobody has spoken of", entity, "before")
        else:
            self.world.fault("nobody has said who", entity, "is")
        self.talk.known.add(entity)


def same(a: Entity, b: Entity) -> bool:
    """The same people, in whatever order."""
    return set(each(a)) == set(each(b))
