"""Village stories that a writer continues, for the village's checker to read back (`corpora.village.score`).

Every writer gets the same openings, the first sentences of held-out stories. `glass eval` scores a model, its untrained
self and an n-gram this way; `glass compare` scores each of its runs.
"""

import numpy as np

from glassformer.corpora.village import Village
from glassformer.corpora.village.score import prompts
from glassformer.data.ngram import NGram
from glassformer.data.shards import Dataset
from glassformer.generate.text import complete
from glassformer.model.gpt import GPT
from glassformer.recipes.presets import Recipe

STORY_TOKENS = 400
"""The longest continuation of an opening; village stories are shorter."""


def openings(recipe: Recipe, data: Dataset, n: int) -> list[str]:
    """The openings of `n` held-out stories; none if the corpus is not the village or the model's context is too
    short."""
    if not isinstance(recipe.corpus, Village):
        return []
    found = prompts(n, recipe.corpus.seed)
    longest = max(len(data.tokenizer.encode(text)) for text in found)
    return found if longest < recipe.model.context_length else []


def by_model(model: GPT, data: Dataset, recipe: Recipe, openings: list[str]) -> list[str]:
    """Whole stories: each opening and what the model wrote after it, sampled as the recipe says."""
    sampling = recipe.sample.override(f"max_new_tokens={STORY_TOKENS}")
    return [opening + text for opening, text in zip(openings, complete(model, data.tokenizer, openings, sampling))]


def by_ngram(ngram: NGram, data: Dataset, recipe: Recipe, openings: list[str]) -> list[str]:
    """Whole stories by an n-gram model, sampled at temperature 1: at a lower one it repeats itself."""
    rng, end = np.random.default_rng(recipe.sample.seed), data.tokenizer.require_end_of_text()
    stories = []
    for opening in openings:
        ids = ngram.sample(rng, [end, *data.tokenizer.encode(opening)], STORY_TOKENS)
        stories.append(opening + data.tokenizer.decode(ids[: ids.index(end)] if end in ids else ids))
    return stories
