"""Everything that a page shows of one text and one model: `gather` asks, and what it returns can be drawn.

A page has room for so much. What does not fit is left out by a rule that the page states: tokens beyond the first
`Limits.tokens`, heads that give out little, the exact logits of all but the last places.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from glassformer.errors import LensError
from glassformer.generate.sampling import SamplingConfig
from glassformer.lens.look.glance import Glance, glance, ids_of
from glassformer.lens.look.moments import Moment, earlier, moment
from glassformer.lens.look.reasons import Reasons, Root, reasons
from glassformer.lens.trace import next_tokens
from glassformer.lens.why import graph
from glassformer.model.gpt import GPT
from glassformer.model.head import LooksBack
from glassformer.runs import checkpoint
from glassformer.tokenizers import Tokenizer

SMALL = 20_000_000
"""Parameters up to which one thread is faster: the matrices are so small that two threads mostly wait for each other."""
EXPLAINED = 8
"""Heads of a layer of which the largest weight is explained."""


@dataclass(frozen=True)
class Limits:
    """How much a page holds."""

    tokens: int = 256
    exact: int = 1_500_000
    """Bytes of attention weights up to which they are kept as float32; beyond that they are rounded to float16."""
    weights: int = 4_500_000
    """Bytes of attention weights in all."""
    logits: int = 600_000
    """Bytes of logits, for the last places of the text ..."""
    places: int = 8
    """... and for so many of them at least."""
    opened: int = 400
    """Numbers of the chosen place that are followed."""
    opened_elsewhere: int = 2
    """Numbers of each other place."""


@dataclass(frozen=True)
class Look:
    """A text, a model, and what can be seen."""

    glance: Glance
    moments: list[Moment]
    """By step; the last is the model itself."""
    first_logits: int
    """The first place whose logits are kept whole."""
    exact: bool
    """Whether attention weights are kept as float32."""
    roots: list[Root]
    reasons: Reasons
    left_out: list[str]
    """What is not shown, and why: one sentence each."""


def gather(
    model: GPT, tokenizer: Tokenizer, text: str, sampling: SamplingConfig, step: int = 0, place: int | None = None,
    over: Path | None = None, limits: Limits | None = None,
) -> Look:  # fmt: skip
    """Ask everything. `over` is a run whose earlier weights are asked as well. Raises LensError for a text, a place or a
    run that cannot be looked at."""
    limits, end = limits or Limits(), tokenizer.end_of_text is not None
    found = earlier(over, step) if over else {}
    n_all = ids_of(model, tokenizer, text).shape[1]
    with small_threads(model):
        seen = glance(model, tokenizer, text, sampling, place, limits.tokens)
        left_out = list(seen.left_out)
        if n_all > seen.T:
            left_out.insert(0, f"The model was given the first {seen.T} tokens of {n_all}: a page shows no more.")
        last, exact, so_little = _fitting(moment(model, seen.ids, step), len(found) + 1, limits)
        moments = list(_before(found, {layer: heads.numbers for layer, heads in last.heads.items()}, seen))
        first = max(0, seen.T - max(limits.places, limits.logits // (4 * model.config.vocab_size)))
        if first:
            left_out.append(
                f"The settings of sampling act on the last {seen.T - first} places, of which this page has all logits; for "
                "the places before, it shows the likeliest tokens."
            )
        roots, why, unknown = _why(model, seen, last, limits)
    left_out += [*last.left_out, *so_little, *unknown]
    if isinstance(model.head, LooksBack):
        left_out.append(
            "The head of this model also copies tokens of the text. Losses, logits and the next token are those of both "
            "together; what each layer would say, and which part said it, are about the scores of the vocabulary alone."
        )
    if not end:
        left_out.append("This tokenizer has no end of text, so the model reads the text without one before it.")
    return Look(seen, [*moments, last], first, exact, roots, why, left_out)


@contextlib.contextmanager
def small_threads(model: GPT) -> Iterator[None]:
    """One thread for a small model."""
    before = torch.get_num_threads()
    if sum(p.numel() for p in model.parameters()) <= SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _fitting(last: Moment, n: int, limits: Limits) -> tuple[Moment, bool, list[str]]:
    """The moment with as many heads as n of it may hold; whether they may be exact; what was left out."""
    T = len(last.nats)
    triangle, heads = T * (T + 1) // 2, sum(len(layer.numbers) for layer in last.heads.values())
    if 4 * n * heads * triangle <= limits.exact:
        return last, True, []
    rounded = "Attention weights are rounded to float16: three digits of each are right."
    room = limits.weights // (2 * n * triangle * max(1, len(last.heads)))
    if all(len(layer.numbers) <= room for layer in last.heads.values()):
        return last, False, [rounded]
    room = max(1, room)
    fewer = {layer: its.only(room) for layer, its in last.heads.items()}
    said = f"So that the page stays small, each layer shows the {room} heads that give out most."
    return replace(last, heads=fewer), False, [rounded, said]


def _before(found: dict[int, Path], shown: dict[int, list[int]], seen: Glance) -> Iterator[Moment]:
    """The same text at earlier steps."""
    for step, path in found.items():
        saved = checkpoint.load(path)
        if saved.tokenizer().fingerprint() != seen.tokenizer.fingerprint():
            raise LensError(f"{path} has another tokenizer than the model, so it does not read the same tokens")
        yield moment(saved.model(device=seen.model.device), seen.ids, step, shown)


def _why(model: GPT, seen: Glance, last: Moment, limits: Limits) -> tuple[list[Root], Reasons, list[str]]:
    """Why the numbers of the chosen place are what they are, and the largest weight with which each head reads there."""
    top = []
    for layer, its in last.heads.items():
        most, keys = its.weights[:, seen.place].abs().max(-1)
        chosen = most.argsort(descending=True)[:EXPLAINED].sort().values.tolist()
        top += [(layer, its.numbers[row], int(keys[row])) for row in chosen]
    try:
        every = graph(model, seen.ids, next_tokens(seen.ids))
        return *reasons(every, seen.place, top, limits.opened, limits.opened_elsewhere), []
    except LensError as error:
        return [], Reasons(), [f"Why a number is this number: {error}."]
