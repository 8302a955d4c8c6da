"""The text of a run that is not prepared yet: about how many tokens it has, and how often each would be read."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from glassformer.data.index import Index
from glassformer.errors import GlassError
from glassformer.recipes import sizes
from glassformer.recipes.build import dataset_folder
from glassformer.recipes.presets import Recipe
from glassformer.tokenizers import TokenizerRecipe

BYTES_PER_TOKEN = {"byte": 1.0, "char": 1.0, "wordpiece": 4.0, "word": 5.0}
"""For English text, used if no prepared dataset gives the exact number."""
BYTES_PER_BPE_TOKEN = {257: 1.0, 300: 1.4, 512: 2.1, 2048: 3.1, 8192: 3.8, 50257: 4.4}
"""The same by the size of the vocabulary: measured on Shakespeare (300, 512) and on a text that is half source code
(2,048); the larger ones are estimates."""


@dataclass(frozen=True)
class Data:
    """The text that a run reads."""

    tokens_seen: int
    tokens: float | None
    """Tokens of the training split; None if that is not known before the text is prepared."""
    bytes: float | None
    """Size of the dataset on disk."""
    exact: bool
    """True if these numbers come from a prepared dataset, false if they are estimated from the size of the text."""

    @property
    def readings(self) -> float | None:
        """How many times each token of the training split is read; None if their number is not known."""
        return self.tokens_seen / self.tokens if self.tokens else None


def vocabulary_of(tokenizer: TokenizerRecipe) -> int:
    """How many ids the tokenizer will have. A character tokenizer's number depends on the text; the plan assumes as
    many as a byte tokenizer has."""
    return getattr(tokenizer, "vocab_size", None) or 256 + len(tokenizer.special_from(256))


def prepared(recipe: Recipe) -> Index | None:
    """The index of the recipe's dataset, if `glass prepare` or `glass train` has made one."""
    try:
        return Index.load(dataset_folder(recipe) / "index.json")
    except (GlassError, OSError):
        return None


def data_of(recipe: Recipe, index: Index | None) -> Data:
    """What a run reads; `index` is that of its dataset, if there is one."""
    seen = round(recipe.train.steps * recipe.train.mean_batch_size * recipe.model.context_length)
    width = 2 if recipe.model.vocab_size <= 1 << 16 else 4
    if index:
        return Data(seen, index.train.tokens, width * (index.train.tokens + index.validation.tokens), True)
    size = _text_bytes(recipe)
    tokens = None if size is None else size / _bytes_per_token(recipe.tokenizer)
    return Data(seen, tokens, tokens and width * tokens * 1.05, False)


def as_trained(recipe: Recipe, given: Collection[str]) -> Recipe:
    """The recipe as `glass train` makes it fit the size of its text (recipes/sizes.py). `given` are the paths of the
    settings that the user has given."""
    recipe = sizes.with_vocabulary(recipe, given)
    if index := prepared(recipe):
        return sizes.fitted(recipe, index.train.bytes, index.train.tokens, given)[0]
    if (size := _text_bytes(recipe)) is None:
        return recipe
    return sizes.fitted(recipe, round(size), round(size / _bytes_per_token(recipe.tokenizer)), given)[0]


def _bytes_per_token(tokenizer: TokenizerRecipe) -> float:
    if tokenizer.name == "bpe":
        known = np.log(list(BYTES_PER_BPE_TOKEN))
        return float(np.interp(math.log(vocabulary_of(tokenizer)), known, list(BYTES_PER_BPE_TOKEN.values())))
    return BYTES_PER_TOKEN.get(tokenizer.name, 4.0)


def _text_bytes(recipe: Recipe) -> float | None:
    """About how many bytes of training text the corpus has; None if that is not known before it is read."""
    try:
        size = recipe.corpus.size()
    except (GlassError, OSError):  # a file that is not there yet can be planned with
        return None
    held_out = getattr(recipe.corpus, "validation_fraction", recipe.data.validation_fraction)
    return size and size * (1 - held_out)
