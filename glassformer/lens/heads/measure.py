"""Measuring heads. See `heads`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from glassformer.errors import LensError
from glassformer.lens.heads.questions import Event, Reading, every_question
from glassformer.lens.patterns import Pattern
from glassformer.lens.seam import evaluating
from glassformer.lens.trace import next_tokens, trace
from glassformer.model.gpt import GPT
from glassformer.tokenizers import Tokenizer

LEAD, TIMES = 0.1, 3.0
"""What is clearly above chance."""


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


@torch.no_grad()
def cost(model: GPT, readings: Iterable[Reading]) -> float:
    """The mean nats of the token that follows each place that asks. Whatever answers there should lower it: ablate a head
    and ask again (`interventions.ablate`). Raises LensError if nothing is asked."""
    total, n = 0.0, 0
    for ids, events in readings:
        queries = torch.tensor([event.query for event in events if event.query + 1 < len(ids)], dtype=torch.long)
        if len(queries):
            x = torch.tensor([ids], device=model.device)
            with evaluating(model):
                nats = model(x, next_tokens(x))[0].cpu()
            total += float(nats[queries].sum())
            n += len(queries)
    if not n:
        raise LensError("nothing is asked in these texts, so nothing has a cost; give more of them, or longer ones")
    return total / n


def survey(model: GPT, tokenizer: Tokenizer, stories: Sequence[str]) -> dict[str, Scores]:
    """Every question that the stories give occasion for, in one reading of each text."""
    return measure_all(model, every_question(model, tokenizer, stories))
