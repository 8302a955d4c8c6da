"""Who and what has been mentioned, and so whom "she", "it" and "they" mean. The teller and the checker share this rule.

The rule for pronouns, applied from left to right:

- her/his/its/their (possessive) and herself: the subject of the clause if it fits, else the last one mentioned who fits
- him/her (object): the last one mentioned who fits and is not the subject of the clause
- he/she/it/they: the last one mentioned who fits; "they" is the last pair named together

The teller is stricter: it uses a pronoun only if, in addition, nobody else who fits was mentioned in this or the
previous sentence.
"""

from .lexicon import CHARACTERS, FORMS, PRONOUN

Entity = str | tuple[str, ...]
CASES = {(form, case): pronoun for pronoun, forms in FORMS.items() for case, form in forms.items()}


class Discourse:
    """The record of mentions so far."""

    def __init__(self) -> None:
        self.last: dict[str, Entity] = {}  # pronoun: who it means
        self.before: dict[str, Entity] = {}  # pronoun: who it meant before that
        self.known: set[str] = set()  # who and what has been introduced
        self.seen: dict[Entity, int] = {}  # sentence of the latest mention
        self.subject: Entity | None = None
        self.recent: list[str] = []  # characters, latest last
        self.sentence = 0

    def mention(self, entity: Entity) -> None:
        if isinstance(entity, tuple):
            for member in entity:
                self.mention(member)
            self.last["they"] = entity
            self.seen[entity] = self.sentence
            return
        pronoun = PRONOUN[entity]
        last = self.last.get(pronoun)
        if last != entity:
            if last is not None:
                self.before[pronoun] = last
            self.last[pronoun] = entity
        self.seen[entity] = self.sentence
        if entity in CHARACTERS:
            recent = self.recent
            if not recent or recent[-1] != entity:
                if entity in recent:
                    recent.remove(entity)
                recent.append(entity)

    def resolve(self, pronoun: str, case: str) -> Entity | None:
        """Whom `pronoun` ("he", "she", "it", "they") means here, in the case "", "him", "his" or "himself"."""
        subject = self.subject
        if case == "his" or case == "himself":
            if subject is not None and pronoun_of(subject) == pronoun:
                return subject
            return self.last.get(pronoun) if case == "his" else None
        found = self.last.get(pronoun)
        if case == "him" and found == subject:
            return self.before.get(pronoun)
        return found

    def partner(self, speaker: Entity) -> str | None:
        """Whom `speaker` talks to if the text does not say: whoever was mentioned last before this sentence."""
        for other in reversed(self.recent):
            if other != speaker and (type(speaker) is not tuple or other not in speaker):
                return other
        return None


def pronoun_of(entity: Entity) -> str:
    return "they" if isinstance(entity, tuple) else PRONOUN[entity]
