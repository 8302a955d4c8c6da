"""Village stories that a writer continues, for the village's checker to read back (`corpora.village.score`).

Every writer gets the same openings, the first sentences of held-out stories. `glass eval` scores a model, its untrained
self and an n-gram this way; `glass compare` scores each of its runs.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from glassformer.corpora.village import Village
from glassformer.corpora.village.copies import Copies
from glassformer.corpora.village.score import Judgement, Written, opened
from glassformer.data.ngram import NGram
from glassformer.data.shards import Dataset
from glassformer.generate.text import write
from glassformer.model.gpt import GPT
from glassformer.recipes.presets import Recipe

AT_ONCE = 32
"""Stories that a model writes together."""
MEASURED = 100
"""Held-out stories whose longest continuation, in tokens, is the most that a writer may write."""


class Mark(NamedTuple):
    """A piece of a story, with what the checker says of it."""

    text: str
    kind: Literal["given", "right", "wrong", "unread", "again"]
    """given: the opening, which is not scored. wrong: it contradicts something. unread: the grammar cannot read it. again:
    the story has said it before, or elsewhere if the story is a copy."""
    why: tuple[str, ...] = ()
    """What it contradicts."""


def openings(recipe: Recipe, data: Dataset, n: int) -> list[Written]:
    """`n` held-out stories, as the village tells them. None if the corpus is not the village, or an opening does not fit
    into the model's context."""
    if not isinstance(recipe.corpus, Village):
        return []
    found = opened(n, recipe.corpus.seed)
    longest = max(len(data.tokenizer.encode(written.opening)) for written in found)
    return found if longest < recipe.model.context_length else []


def most_tokens(recipe: Recipe, data: Dataset) -> int:
    """How many tokens a writer may write for a story: as many as the longest of some held-out ones takes."""
    assert isinstance(recipe.corpus, Village)
    return max(len(data.tokenizer.encode(written.continuation)) for written in opened(MEASURED, recipe.corpus.seed))


def by_model(model: GPT, data: Dataset, recipe: Recipe, told: Sequence[Written]) -> list[Written]:
    """The same openings, continued by a model that samples as the recipe says. The first stories do not depend on how many
    there are."""
    sampling = recipe.sample.model_copy(update={"max_new_tokens": most_tokens(recipe, data), "stop": ()})
    stories = []
    for first in range(0, len(told), AT_ONCE):
        given = [written.opening for written in told[first : first + AT_ONCE]]
        texts, ended = [""] * len(given), [False] * len(given)
        own = sampling.model_copy(update={"seed": sampling.seed + first})
        for row, text, finish in write(model, data.tokenizer, given, own):
            texts[row] += text
            ended[row] |= finish == "end"
        stories += map(Written, given, texts, ended)
    return stories


def by_ngram(ngram: NGram, data: Dataset, recipe: Recipe, told: Sequence[Written]) -> list[Written]:
    """The same openings, continued by an n-gram model, sampled at temperature 1: at a lower one it repeats itself."""
    rng, end = np.random.default_rng(recipe.sample.seed), data.tokenizer.require_end_of_text()
    stories, most = [], most_tokens(recipe, data)
    for opening, *_ in told:
        ids = ngram.sample(rng, [end, *data.tokenizer.encode(opening)], most)
        ended = end in ids
        text = data.tokenizer.decode(ids[: ids.index(end)] if ended else ids)
        stories.append(Written(opening, text, ended))
    return stories


def copies(data: Dataset) -> Copies:
    """The stories that a model was trained on."""
    found, bounds, pieces = Copies(), data.train.documents.tolist(), data.tokenizer.token_bytes
    for first, last in zip(bounds, bounds[1:]):
        ids = data.train.tokens[first:last].tolist()
        found.add(b"".join([pieces[id] for id in ids]).decode(errors="replace"))
    return found


def marks(judgement: Judgement) -> list[Mark]:
    """A story in pieces, in order: joined, their texts are the story. Sentences side by side that are unread, or said
    again, are one piece."""
    joined = [Mark(judgement.written.opening, "given")]
    for gap, mark in _sentences(judgement):
        last = joined[-1]
        if last.kind == mark.kind != "wrong":
            joined[-1] = Mark(last.text + gap + mark.text, mark.kind)
        else:
            joined += [Mark(gap, "right"), mark]
    return [mark for mark in joined if mark.text]


def _sentences(judgement: Judgement) -> Iterator[tuple[str, Mark]]:
    """Each sentence after the opening, with what stands before it; then what stands after the last."""
    text, at = judgement.written.opening + judgement.written.continuation, len(judgement.written.opening)
    for verdict, new in zip(judgement.sentences, judgement.new):
        gap, start, at = text[at : verdict.start], max(at, verdict.start), verdict.end
        kind = (
            "unread" if not verdict.understood else "wrong" if verdict.contradictions else "right" if new else "again"
        )
        yield gap, Mark(text[start:at], kind, tuple(verdict.contradictions))
    yield text[at:], Mark("", "right")


def interval(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share that was counted in n independent cases (Wilson, 1927).

    >>> interval(0.0, 24)
    (0.0, 0.138)
    """
    z = 1.96
    middle, reach = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - reach) / (1 + z * z / n)), min(1.0, (middle + reach) / (1 + z * z / n))
