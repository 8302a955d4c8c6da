"""What heads do, by measurement: where each head reads, beside where it would read by chance.

    score = mean over events of the weight from the place t that asks onto the places that answer

An event is a place t and the places s <= t that are right there. What is right depends on the question:

    previous token   s = t - 1
    first token      s = 0
    duplicate token  every earlier s with the same token
    induction        the tokens that followed it, where a row of random tokens is read twice (Olsson et al., 2022)
    referent         in village stories, from "she" or "it" to the words that it stands for, which the simulator knows
    pronoun choice   the same from the token before it, where it is decided whether "he" or "she" is said
    name             in village stories, from the token before a name to where that name was said

Two questions have rivals too: the names of other people than the one meant. A head that reads every name alike scores well
and picks nobody; `Head.picked` tells them apart.

The chance is the score of a head that reads all tokens up to t alike. A head passes if it is clearly above that: at least
`LEAD` above, and at least `TIMES` as high. A model with random weights has no such head.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from glassformer.corpora.village.lexicon import NAME
from glassformer.corpora.village.meaning import mentions, pronouns
from glassformer.errors import LensError
from glassformer.lens.patterns import Pattern
from glassformer.lens.trace import next_tokens, trace
from glassformer.model.gpt import GPT
from glassformer.tokenizers import Tokenizer

STORIES = 500
"""Stories in which referents and names are looked for at most."""
FEW = 20
"""Stories in which `survey` asks every token."""
LEAD, TIMES = 0.1, 3.0
"""What is clearly above chance."""


class Event(NamedTuple):
    """One place that asks, and the places that answer."""

    query: int
    keys: tuple[int, ...]
    rivals: tuple[int, ...] = ()
    """Places that would answer if another one were meant, such as the names of other people."""


class Reading(NamedTuple):
    """One text and what is asked in it."""

    ids: list[int]
    events: list[Event]


class Head(NamedTuple):
    """A head and its score."""

    layer: int
    head: int
    score: float
    picked: float = math.nan
    """What share of its weight on answers and rivals together goes to the answers, over the events that have rivals. NaN
    where none has."""

    @property
    def name(self) -> str:
        """As interventions call it: "blocks.1.mixer.heads.2"."""
        return f"blocks.{self.layer}.mixer.heads.{self.head}"


@dataclass(frozen=True)
class Scores:
    """How much each head reads what is right."""

    what: str
    """The question: "induction"."""
    heads: list[Head]
    """Of every layer that has a pattern, best first."""
    chance: float
    """The score of a head that reads all tokens alike."""
    events: int
    """How many places asked."""
    chance_picked: float = math.nan
    """`Head.picked` of a head that reads all tokens alike."""

    @property
    def best(self) -> Head:
        """The head with the highest score."""
        return self.heads[0]

    @property
    def passing(self) -> list[Head]:
        """The heads that are clearly above chance."""
        return [head for head in self.heads if head.score >= max(self.chance + LEAD, TIMES * self.chance)]

    def of(self, layer: int, head: int) -> float:
        """The score of one head."""
        return next(found.score for found in self.heads if (found.layer, found.head) == (layer, head))


def measure(model: GPT, what: str, readings: Iterable[Reading]) -> Scores:
    """The score of every head. Raises LensError if nothing is asked, or if no layer has a pattern.

    Where weights may be negative, as in recurrent mixers, what counts is the share in the sum of their sizes.
    """
    (found,) = measure_all(model, {what: readings}).values()
    return found


@torch.no_grad()
def measure_all(model: GPT, questions: Mapping[str, Iterable[Reading]]) -> dict[str, Scores]:
    """`measure` for several questions. A text that stands in several of them is read once."""
    tallies = {what: _Tally(what) for what in questions}
    asked: dict[tuple[int, ...], list[tuple[_Tally, list[Event]]]] = {}
    for what, readings in questions.items():
        for ids, events in readings:
            if events:
                asked.setdefault(tuple(ids), []).append((tallies[what], events))
    for ids, askers in asked.items():
        found = trace(model, ids, keep="blocks.*.mixer.pattern").patterns()
        for tally, events in askers:
            tally.add(found, events)
    return {what: tally.scores() for what, tally in tallies.items()}


class _Tally:
    """Adds up what the heads read for one question."""

    def __init__(self, what: str):
        self.what, self.chance, self.n = what, 0.0, 0
        self.chance_picked, self.contested = 0.0, 0
        self.totals: dict[int, Tensor] = {}
        self.picks: dict[int, Tensor] = {}
        self.errors: dict[int, LensError] = {}

    def add(self, found: Mapping[int, Pattern | LensError], events: list[Event]) -> None:
        """The patterns of one text, by layer, and what is asked in it."""
        queries = torch.tensor([event.query for event in events])
        right, rival = torch.zeros(2, len(events), 1 + int(queries.max())).unbind(0)
        for i, event in enumerate(events):
            right[i, list(event.keys)] = 1
            rival[i, list(event.rivals)] = 1
        contested = rival.any(-1)
        self.chance += float((right.sum(-1) / (queries + 1)).sum())
        self.chance_picked += float((right.sum(-1) / (right + rival).sum(-1))[contested].sum())
        self.n, self.contested = self.n + len(events), self.contested + int(contested.sum())
        for layer, its in found.items():
            if isinstance(its, LensError):
                self.errors[layer] = its
                continue
            rows = its.weights[0, :, queries.to(its.weights.device)].abs().cpu()  # (H, events, S)
            rows = rows / rows.sum(-1, keepdim=True).clamp(min=1e-30)
            hit, missed = ((rows[..., : right.shape[1]] * which.to(rows)).sum(-1) for which in (right, rival))
            picked = (hit / (hit + missed).clamp(min=1e-30))[:, contested]
            self.totals[layer] = self.totals.get(layer, 0) + hit.sum(-1)
            self.picks[layer] = self.picks.get(layer, 0) + picked.sum(-1)

    def scores(self) -> Scores:
        """What was found."""
        if not self.n:
            raise LensError(f"there is no occasion for {self.what} in these texts; give more of them, or longer ones")
        if not self.totals:
            raise next(iter(self.errors.values()))
        n = self.contested or math.nan
        heads = [
            Head(layer, i, float(total) / self.n, float(picks) / n)
            for layer in self.totals
            for i, (total, picks) in enumerate(zip(self.totals[layer], self.picks[layer]))
        ]
        heads.sort(key=lambda head: -head.score)
        return Scores(self.what, heads, self.chance / self.n, self.n, self.chance_picked / n)


def survey(model: GPT, tokenizer: Tokenizer, stories: Sequence[str]) -> dict[str, Scores]:
    """Every question of this module: those of names and pronouns over village stories, previous, first and duplicate tokens
    over the first `FEW` of them, and induction over random rows. A question without occasion is left out."""
    length = model.config.context_length
    texts = [_encoded(text, tokenizer, length)[0] for text in stories[:FEW]]
    questions = {
        "previous token": previous_token(texts), "first token": first_token(texts),
        "duplicate token": duplicate_token(texts), "induction": induction(repeated(model)),
        "name": names(stories, tokenizer, length), "pronoun choice": pronoun_choice(stories, tokenizer, length),
        "referent": referents(stories, tokenizer, length),
    }  # fmt: skip
    return measure_all(model, {what: its for what, its in questions.items() if any(reading.events for reading in its)})


@torch.no_grad()
def cost(model: GPT, readings: Iterable[Reading]) -> float:
    """The mean nats of the token that follows each place that asks. Whatever answers there should lower it: ablate a head
    and ask again (`interventions.ablate`). Raises LensError if nothing is asked."""
    total, n = 0.0, 0
    for ids, events in readings:
        queries = torch.tensor([event.query for event in events if event.query + 1 < len(ids)], dtype=torch.long)
        if len(queries):
            x = torch.tensor([ids], device=model.device)
            total += float(model(x, next_tokens(x))[0].cpu()[queries].sum())
            n += len(queries)
    if not n:
        raise LensError("nothing is asked in these texts, so nothing has a cost; give more of them, or longer ones")
    return total / n


def previous_token(texts: Iterable[Sequence[int]]) -> list[Reading]:
    """Each token asks for the one before it."""
    return [Reading(list(ids), [Event(t, (t - 1,)) for t in range(1, len(ids))]) for ids in texts]


def first_token(texts: Iterable[Sequence[int]]) -> list[Reading]:
    """Each token asks for the first one."""
    return [Reading(list(ids), [Event(t, (0,)) for t in range(1, len(ids))]) for ids in texts]


def duplicate_token(texts: Iterable[Sequence[int]]) -> list[Reading]:
    """Each token that has occurred before asks for where it did."""
    return [Reading(list(ids), _where(ids, after=0)) for ids in texts]


def induction(texts: Iterable[Sequence[int]]) -> list[Reading]:
    """Each token that has occurred before asks for what followed it then. Give it `repeated` tokens: in a real text much
    else may be a reason to read there."""
    return [Reading(list(ids), _where(ids, after=1)) for ids in texts]


def repeated(model: GPT, n: int = 20, length: int = 40, seed: int = 0) -> list[list[int]]:
    """Rows of `length` random tokens, read twice: n lists of 2 length ids. No token occurs twice in a row of them."""
    absent = {id for first, last in model.config.absent for id in range(first, last + 1)}
    known = torch.tensor([id for id in range(model.config.vocab_size) if id not in absent])
    length = min(length, model.config.context_length // 2, len(known))
    generator = torch.Generator().manual_seed(seed)
    rows = [known[torch.randperm(len(known), generator=generator)[:length]].tolist() for _ in range(n)]
    return [row + row for row in rows]


def referents(stories: Iterable[str], tokenizer: Tokenizer, context_length: int) -> list[Reading]:
    """The last token of each pronoun asks for the tokens that have named whom or what it means."""
    return [_pronouns(text, tokenizer, context_length, lambda held: held[-1]) for text in stories]


def pronoun_choice(stories: Iterable[str], tokenizer: Tokenizer, context_length: int) -> list[Reading]:
    """The token before each pronoun, where it must be said, asks for the tokens that have named whom or what it means."""
    return [_pronouns(text, tokenizer, context_length, lambda held: held[0] - 1) for text in stories]


def names(stories: Iterable[str], tokenizer: Tokenizer, context_length: int) -> list[Reading]:
    """The token before a name that was said before asks for the tokens that have said it."""
    readings = []
    for text in stories:
        ids, spans = _encoded(text, tokenizer, context_length)
        events, said = [], dict[str, list[int]]()
        for found in NAME.finditer(text):
            tokens = _tokens(spans, *found.span())
            before = said.setdefault(found[0], [])
            if tokens and before:
                rivals = [token for name, its in said.items() if name != found[0] for token in its]
                events.append(Event(tokens[0] - 1, tuple(before), tuple(rivals)))
            before += tokens
        readings.append(Reading(ids, events))
    return readings


def _pronouns(text: str, tokenizer: Tokenizer, context_length: int, asks: Callable[[list[int]], int]) -> Reading:
    ids, spans = _encoded(text, tokenizer, context_length)
    events = []
    for pronoun in pronouns(text):
        held = _tokens(spans, pronoun.start, pronoun.end)
        named = [span for entity in pronoun.means for span in mentions(text, entity) if span.end <= pronoun.start]
        keys = {token for span in named for token in _tokens(spans, *span)}
        others = [found.span() for found in NAME.finditer(text[: pronoun.start]) if found[0] not in pronoun.means]
        rivals = {token for span in others for token in _tokens(spans, *span)} - keys
        if held and keys:
            events.append(Event(asks(held), tuple(sorted(keys)), tuple(sorted(rivals))))
    return Reading(ids, events)


def _where(ids: Sequence[int], after: int) -> list[Event]:
    """For each token that occurred before: the places `after` those where it did."""
    places, events = dict[int, list[int]](), []
    for t, id in enumerate(ids):
        keys = tuple(s + after for s in places.get(id, []) if s + after <= t)
        if keys:
            events.append(Event(t, keys))
        places.setdefault(id, []).append(t)
    return events


def _encoded(text: str, tokenizer: Tokenizer, context_length: int) -> tuple[list[int], list[tuple[int, int]]]:
    """The ids of a text behind the end of the one before, cut to the context, and the letters that each id holds."""
    ids, offsets = tokenizer.encode_with_offsets(text)
    return [tokenizer.require_end_of_text(), *ids][:context_length], [(0, 0), *offsets][:context_length]


def _tokens(spans: Sequence[tuple[int, int]], start: int, end: int) -> list[int]:
    """The tokens that hold letters of text[start:end]; none if the last letter lies beyond the context."""
    held = [i for i, (a, b) in enumerate(spans) if a < end and b > start]
    return held if held and spans[held[-1]][1] >= end else []
