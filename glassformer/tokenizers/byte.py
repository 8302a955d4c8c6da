"""Bytes as tokens: ids 0 to 255 are the bytes of UTF-8, then come the special tokens. There is nothing to train.

This is the smallest vocabulary that covers every text, but sequences are long. `bpe` starts from these 256 and merges.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from glassformer.tokenizers import Tokenizer, TokenizerRecipe, _file


class Byte(TokenizerRecipe):
    """One token per byte of UTF-8."""

    def train(self, texts: Iterable[str]) -> "ByteTokenizer":
        """The tokenizer is the same for all texts; they are not read."""
        return ByteTokenizer(self.special_from(256))

    @classmethod
    def restore(cls, special: dict[str, int], state: dict[str, Any]) -> "ByteTokenizer":
        _file.expect(state)
        return ByteTokenizer(special)


class ByteTokenizer(Tokenizer):
    """Covers every text: `encode("é") == [0xC3, 0xA9]`."""

    def __init__(self, special: dict[str, int]) -> None:
        super().__init__(range(256), [bytes([value]) for value in range(256)], special)

    def _encode(self, text: str) -> np.ndarray:
        return np.frombuffer(text.encode(), np.uint8).astype(self.dtype)

    def state(self) -> dict[str, Any]:
        return {}
