"""Words as tokens: the most frequent words and punctuation marks of the training texts; everything else is `<unk>`.

Language models worked like this before subwords (Bengio et al. 2003). Sequences are short and every token means
something, but no vocabulary is large enough: "goat" and "goats" have nothing in common, and a word outside the
vocabulary is lost. A word keeps the space before it (`_words.py`), so " goat" and "goat" are two entries, and a text
whose pieces are all in the vocabulary comes back exactly.

>>> tokenizer = Word(vocab_size=6).train(["the goat, the hen"])
>>> tokenizer.words
[' goat', ' hen', ' the', ',']
>>> tokenizer.decode(tokenizer.encode(" the hen, the cow"))
' the hen, the<unk>'
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from glassformer.errors import TokenizerError
from glassformer.tokenizers import (
    END_OF_TEXT,
    LARGEST_VOCABULARY,
    Tokenizer,
    TokenizerRecipe,
    _file,
    well_formed,
)
from glassformer.tokenizers._words import split

UNKNOWN = "<unk>"
"""Stands for every word outside the vocabulary."""


class Word(TokenizerRecipe):
    """One token per frequent word."""

    ALWAYS: ClassVar[tuple[str, ...]] = (END_OF_TEXT, UNKNOWN)

    LOSSLESS = False

    vocab_size: int = Field(8192, le=LARGEST_VOCABULARY)
    """Number of ids: the words and the special tokens (`<unk>` is one). A corpus with fewer words gives fewer ids."""
    min_frequency: int = Field(1, ge=1)
    """How often a word must occur in the training texts to have an id."""

    @field_validator("vocab_size")
    @classmethod
    def _room_for_special(cls, vocab_size: int, info: ValidationInfo) -> int:
        return cls.room(vocab_size, info)

    def train(self, texts: Iterable[str]) -> "WordTokenizer":
        """Keep the most frequent words; ties go to the first in code point order. Memory grows with the unique words."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(split(well_formed(text)))
        frequent = [word for word, count in counts.items() if count >= self.min_frequency]
        frequent.sort(key=lambda word: (-counts[word], word))
        words = frequent[: self.vocab_size - len(self.special_from(0))]
        return WordTokenizer(words, self.special_from(len(words)))

    @classmethod
    def restore(cls, special: dict[str, int], state: dict[str, Any]) -> "WordTokenizer":
        _file.expect(state, "words")
        return WordTokenizer(_file.vocabulary(state["words"], "words"), special)


class WordTokenizer(Tokenizer):
    """Covers the texts whose pieces are all among `words`; id i is the i-th of them. Other pieces become `<unk>`."""

    def __init__(self, words: Sequence[str], special: dict[str, int]) -> None:
        super().__init__(range(len(words)), [word.encode() for word in words], special)
        if UNKNOWN not in special:
            raise TokenizerError(f"the special tokens must include {UNKNOWN}, which stands for unknown words")
        self.words = list(words)
        self._id_of = {word: id for id, word in enumerate(words)}

    def _encode(self, text: str) -> np.ndarray:
        return self._ids(split(text))

    def _encode_sizes(self, text: str) -> tuple[np.ndarray, Sequence[int]]:
        words = split(text)
        return self._ids(words), [len(word.encode()) for word in words]

    def _ids(self, words: Iterable[str]) -> np.ndarray:
        unknown, id_of = self.special[UNKNOWN], self._id_of
        return np.array([id_of.get(word, unknown) for word in words], self.dtype)

    def state(self) -> dict[str, Any]:
        return {"words": self.words}
