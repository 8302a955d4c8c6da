"""Does a model keep the names? What it pays for a name that the story has said already, and for one that is new.

    nats per name = -sum of ln p(token | all before it) over the tokens that hold the name's letters

Each name of held-out village stories is one event, and the mean is taken over all of them. A name that was said already
stands in the text that the model reads, so a model that has learned to look back needs little for it. A model that has not
pays for both kinds what a guess costs: the village has 104 names, and ln 104 is 4.6 nats.

Every model predicts the same text, so it gains nothing by being brief. Where the context is shorter than a story, the
beginning of the story is read, so that an earlier mention is always in view.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from glassformer.corpora.village.lexicon import NAME
from glassformer.corpora.village.story import tell
from glassformer.data.ngram import NGram
from glassformer.errors import TokenizerError
from glassformer.lab.texts import nats_by_model, nats_by_ngrams
from glassformer.model.gpt import GPT
from glassformer.tokenizers import Tokenizer

STORIES = 100
"""Held-out stories in which names are predicted: more than a thousand names."""


class Name(NamedTuple):
    """One name in one story."""

    story: int
    first: int
    """Its tokens are `ids[first:last]` of the story."""
    last: int
    said: bool
    """Whether the story has said it before."""


@dataclass(frozen=True)
class Names:
    """Stories as ids, and where the names in them are."""

    stories: list[np.ndarray]
    """For each story (n,) int64: the end of the text before it, then its ids."""
    names: list[Name]

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: Tokenizer, context_length: int) -> Self:
        """The names within the first `context_length` tokens of each text. Raises TokenizerError for a tokenizer that
        does not give a text back exactly."""
        start, stories, names = tokenizer.require_end_of_text(), [], []
        for text in texts:
            ids, offsets = tokenizer.encode_with_offsets(text)
            ids, told = [start, *ids][: context_length + 1], set[str]()
            for found in NAME.finditer(text):
                held = [1 + i for i, (a, b) in enumerate(offsets) if a < found.end() and b > found.start()]
                if held[-1] < len(ids):
                    names.append(Name(len(stories), held[0], held[-1] + 1, found[0] in told))
                told.add(found[0])
            stories.append(np.array(ids, np.int64))
        return cls(stories, names)

    def nats(self, nats: Sequence[np.ndarray]) -> dict[str, float]:
        """The mean nats of a name, of both kinds, from the nats of every token: one (n - 1,) array a story, without its
        first token, which nothing predicts. A kind that does not occur is left out."""
        kinds = {"name_said": True, "name_unsaid": False}
        found = {}
        for key, said in kinds.items():
            costs = [nats[n.story][n.first - 1 : n.last - 1].sum() for n in self.names if n.said == said]
            if costs:
                found[key] = float(np.mean(costs))
        return found


def held_out_names(seed: int, tokenizer: Tokenizer, context_length: int) -> Names | None:
    """The names of held-out stories of the village of that seed; None if the tokenizer cannot say where they are."""
    try:
        return Names.of([tell(seed, "validation", i).text for i in range(STORIES)], tokenizer, context_length)
    except TokenizerError:
        return None


def by_model(names: Names, model: GPT) -> dict[str, float]:
    """The mean nats that a model pays for a name ("name_said", "name_unsaid")."""
    return names.nats(nats_by_model(names.stories, model))


def by_ngrams(names: Names, ngram: NGram) -> list[dict[str, float]]:
    """The same for the 1-gram, the 2-gram ..."""
    return [names.nats(nats) for nats in nats_by_ngrams(names.stories, ngram)]
