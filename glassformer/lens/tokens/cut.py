"""A text divided into tokens: each with its id, the bytes it stands for, and the places of those bytes."""

from typing import NamedTuple

from glassformer.tokenizers import Tokenizer


class Token(NamedTuple):
    """One token of a text."""

    id: int
    piece: bytes
    start: int
    """Where its bytes begin in the UTF-8 of what `decode` gives, which is the text itself if it is covered."""

    @property
    def end(self) -> int:
        """Where its bytes end."""
        return self.start + len(self.piece)


def cut(tokenizer: Tokenizer, text: str) -> list[Token]:
    """The tokens of a text, in order. Raises TokenizerError for a text that the tokenizer refuses."""
    tokens, start = [], 0
    for id in tokenizer.encode(text):
        tokens.append(Token(id, tokenizer.decode_bytes([id]), start))
        start = tokens[-1].end
    return tokens
