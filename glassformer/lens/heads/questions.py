"""The questions: which places of a text ask, and which answer. See `heads`."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch

from glassformer.corpora.village.lexicon import NAME
from glassformer.corpora.village.meaning import mentions, pronouns
from glassformer.model.gpt import GPT
from glassformer.tokenizers import Tokenizer

STORIES = 500
"""Stories in which referents and names are looked for at most."""
FEW = 20
"""Stories in which `survey` asks every token."""


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


def every_question(model: GPT, tokenizer: Tokenizer, stories: Sequence[str]) -> dict[str, list[Reading]]:
    """All questions of this module that the texts give occasion for: names and pronouns over all of these village stories,
    previous, first and duplicate tokens over the first `FEW` of them, and induction over random rows."""
    length = model.config.context_length
    texts = [_encoded(text, tokenizer, length)[0] for text in stories[:FEW]]
    questions = {
        "previous token": previous_token(texts), "first token": first_token(texts),
        "duplicate token": duplicate_token(texts), "induction": induction(repeated(model)),
        "name": names(stories, tokenizer, length), "pronoun choice": pronoun_choice(stories, tokenizer, length),
        "referent": referents(stories, tokenizer, length),
    }  # fmt: skip
    return {what: its for what, its in questions.items() if any(reading.events for reading in its)}


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
