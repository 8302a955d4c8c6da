"""Characters as tokens: the vocabulary is the set of characters in the training texts, in code point order.

This is the tokenizer for first lessons: every id is a character that one can read. Unlike `byte` and `bpe` it covers
only the characters it has seen. A new character is an error that names it; replacing it would silently change the text.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from glassformer.errors import TokenizerError
from glassformer.tokenizers import LARGEST_VOCABULARY, Tokenizer, TokenizerRecipe, _file, well_formed


class Char(TokenizerRecipe):
    """One token per character of the training texts."""

    SEES_ALL_TEXT = True

    def train(self, texts: Iterable[str]) -> "CharTokenizer":
        seen: set[str] = set()
        for text in texts:
            seen.update(well_formed(text))
        characters = "".join(sorted(seen))
        return CharTokenizer(characters, self.special_from(len(characters)))

    @classmethod
    def restore(cls, special: dict[str, int], state: dict[str, Any]) -> "CharTokenizer":
        _file.expect(state, "characters")
        characters = state["characters"]
        if not isinstance(characters, str) or len(characters) >= LARGEST_VOCABULARY:
            raise TokenizerError(f"'characters' must be a string of fewer than {LARGEST_VOCABULARY} characters")
        if not _file.is_well_formed(characters) or len(set(characters)) != len(characters):
            raise TokenizerError("'characters' contains one twice, or one that is not valid Unicode")
        return CharTokenizer(characters, special)


class CharTokenizer(Tokenizer):
    """Covers exactly the texts made of `characters`; id i is the i-th of them."""

    def __init__(self, characters: str, special: dict[str, int]) -> None:
        super().__init__(range(len(characters)), [character.encode() for character in characters], special)
        self.characters = characters
        code_points = _code_points(characters)
        self._id_of = np.full(1 + max(code_points, default=0), -1, np.int32)  # indexed by code point; -1: not covered
        self._id_of[code_points] = np.arange(len(characters))

    def _encode(self, text: str) -> np.ndarray:
        code_points = _code_points(text)
        ids = self._id_of.take(code_points, mode="clip")
        known = (ids >= 0) & (code_points < len(self._id_of))
        if not known.all():
            character = text[int(known.argmin())]
            raise TokenizerError(
                f"the character {character!r} (U+{ord(character):04X}) was not in the texts that this char tokenizer was "
                "trained on: train it on texts that contain it, or choose 'byte' or 'bpe', which cover every text"
            )
        return ids.astype(self.dtype)

    def state(self) -> dict[str, Any]:
        return {"characters": self.characters}


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le"), "<u4")
