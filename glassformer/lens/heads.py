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

The chance is the score of a head that reads all tokens up to t alike. A head passes if it is clearly above that: at least
`LEAD` above, and at least `TIMES` as high. A model with random weights has no such head.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from glassformer.corpora.village.lexicon import NAME
from glassformer.corpora.village.meaning import mentions, pronouns
from glassformer.errors import LensError
from glassformer.lens.trace import next_tokens, trace
from glassformer.model.gpt import GPT
from glassformer.tokenizers import Tokenizer

STORIES = 500
"""Stories in which referents and names are looked for at most."""
LEAD, TIMES = 0.1, 3.0
"""What is clearly above chance."""


class Event(NamedTuple):
    """One place that asks, and the places that answer."""

    query: int
    keys: tuple[int, ...]


class Reading(NamedTuple):
    """One text and what is asked in it."""

    ids: list[int]
    events: list[Event]


class Head(NamedTuple):
    """A head and its score."""

    layer: int
    head: int
    score: float

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


@torch.no_grad()
def measure(model: GPT, what: str, readings: Iterable[Reading]) -> Scores:
    """The score of every head. Raises LensError if nothing is asked, or if no layer has a pattern.

    Where weights may be negative, as in recurrent mixers, what counts is the share in the sum of their sizes.
    """
    totals: dict[int, Tensor] = {}
    chance, n, errors = 0.0, 0, dict[int, LensError]()
    for ids, events in readings:
        if not events:
            continue
        queries = torch.tensor([event.query for event in events])
        right = torch.zeros(len(events), len(ids))
        for row, event in zip(right, events):
            row[list(event.keys)] = 1
        chance += float((right.sum(-1) / (queries + 1)).sum())
        n += len(events)
        for layer, found in trace(model, ids, keep="blocks.*.mixer.pattern").patterns().items():
            if isinstance(found, LensError):
                errors[layer] = found
                continue
            rows = found.weights[0][:, queries.to(model.device)].abs()  # (H, events, S)
            share = (rows * right.to(rows)).sum(-1) / rows.sum(-1).clamp(min=1e-30)
            totals[layer] = totals.get(layer, 0) + share.sum(-1).cpu()
    if not n:
        raise LensError(f"there is no occasion for {what} in these texts; give more of them, or longer ones")
    if not totals:
        raise next(iter(errors.values()))
    heads = [Head(layer, i, score) for layer, its in totals.items() for i, score in enumerate((its / n).tolist())]
    return Scores(what, sorted(heads, key=lambda head: -head.score), chance / n, n)


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
                events.append(Event(tokens[0] - 1, tuple(before)))
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
        if held and keys:
            events.append(Event(asks(held), tuple(sorted(keys))))
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
