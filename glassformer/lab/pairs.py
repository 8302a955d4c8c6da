"""Minimal pairs: is a true story likelier to a model than the same story with one word changed? (Linzen et al., 2016;
Warstadt et al., 2020, "BLiMP".)

    preferred = share of the pairs with  p(true story) > p(changed story)

One word of a held-out story is changed so that the story contradicts itself: a name becomes that of a child of whom nobody
has spoken, a red kite is blue in a later sentence, "she" becomes "he" where there is no boy. Everything else is equal, so a
model that has not learned to look back prefers the true story in half of the pairs. Nothing is sampled, and a
writer gains nothing by saying less.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Self

import numpy as np

from glassformer.corpora.village.contradictions import plant
from glassformer.corpora.village.story import Story, tell
from glassformer.data.ngram import NGram
from glassformer.errors import TokenizerError
from glassformer.lab.texts import nats_by_model, nats_by_ngrams
from glassformer.model.gpt import GPT
from glassformer.tokenizers import Tokenizer

CHANGES = {"keeps_name": "swapped name", "keeps_look": "wrong look", "keeps_pronoun": "wrong pronoun"}
"""The measure, and the kind of contradiction that it asks about."""
PAIRS = 100
"""Pairs of each kind that are read."""
MOST_STORIES = 3000
"""Held-out stories that are looked at: not each has occasion for every change."""
HOPELESS = 50
"""If none of so many stories fits into the context, none is looked for any longer."""


@dataclass(frozen=True)
class Pairs:
    """True texts and the changed texts that belong to them, as ids."""

    texts: list[np.ndarray]
    """(n,) int64 each: the end of the text before it, its ids, and the end of the text."""
    pairs: dict[str, list[tuple[int, int]]]
    """By measure: which text is true, and which is the same with one word changed."""

    @classmethod
    def of(cls, stories: Iterable[Story], tokenizer: Tokenizer, context_length: int, n: int = PAIRS) -> Self:
        """The first `n` pairs of each measure whose texts fit whole into the context, or as many as `stories` give
        occasion for. Raises TokenizerError without an end of text."""
        end = tokenizer.require_end_of_text()
        texts, pairs = list[np.ndarray](), {measure: list[tuple[int, int]]() for measure in CHANGES}

        def add(text: str) -> int | None:
            """The number of this text among `texts`; None if it is too long."""
            ids = np.array([end, *tokenizer.encode(text), end], np.int64)
            if len(ids) > context_length + 1:
                return None
            texts.append(ids)
            return len(texts) - 1

        for told, story in enumerate(stories):
            if told == HOPELESS and not texts:
                break
            true = None
            for measure, kind in CHANGES.items():
                changed = plant(story, kind, Random(f"{kind} {story.text}")) if len(pairs[measure]) < n else None
                if changed is None:
                    continue
                true = add(story.text) if true is None else true
                other = None if true is None else add(changed)
                if true is not None and other is not None:
                    pairs[measure].append((true, other))
            if all(len(its) == n for its in pairs.values()):
                break
        return cls(texts, pairs)

    def preferred(self, nats: Sequence[np.ndarray]) -> dict[str, float]:
        """The share of pairs whose true text needs fewer nats, by measure, from the nats of every token of each text. A
        tie counts half. A measure without pairs is left out."""
        total = np.array([float(each.sum()) for each in nats])
        found = {}
        for measure, its in self.pairs.items():
            if its:
                true, changed = total[np.array(its)].T
                found[measure] = float(np.mean((true < changed) + 0.5 * (true == changed)))
        return found


def held_out_pairs(seed: int, tokenizer: Tokenizer, context_length: int, n: int = PAIRS) -> Pairs | None:
    """Pairs from held-out stories of the village of that seed; None for a tokenizer without an end of text."""
    try:
        return Pairs.of((tell(seed, "validation", i) for i in range(MOST_STORIES)), tokenizer, context_length, n)
    except TokenizerError:
        return None


def by_model(pairs: Pairs, model: GPT) -> dict[str, float]:
    """The share of pairs in which a model finds the true story likelier, by measure."""
    return pairs.preferred(nats_by_model(pairs.texts, model))


def by_ngrams(pairs: Pairs, ngram: NGram) -> list[dict[str, float]]:
    """The same for the 1-gram, the 2-gram ..."""
    return [pairs.preferred(nats) for nats in nats_by_ngrams(pairs.texts, ngram)]
