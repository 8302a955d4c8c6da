"""Tokenizers: text to ids and back. No torch; everything here is text, bytes, integers and numpy arrays.

Slot `TokenizerRecipe`; the variants are the files beside this one: `char` (one id per character), `byte` (one id per
byte), `word` (one id per frequent word), `wordpiece` (beginnings of words and `##` continuations, as in BERT) and `bpe`
(one id per frequent run of bytes, as in GPT-2 and GPT-4). A recipe is a group of settings: `recipe.train(texts)` gives
the `Tokenizer` itself (`_tokenizer.py`), which is saved as one JSON file and read back with `load(path)`.

>>> tokenizer = TokenizerRecipe.named("bpe", vocab_size=4096).train(texts)
>>> tokenizer.decode(tokenizer.encode("Once upon a time")) == "Once upon a time"
"""

import abc
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from glassformer.config import Variant
from glassformer.errors import TokenizerError
from glassformer.tokenizers import _file
from glassformer.tokenizers._chat import ChatTemplate, Rendered
from glassformer.tokenizers._file import LARGEST_VOCABULARY
from glassformer.tokenizers._text import TextStream, well_formed
from glassformer.tokenizers._tokenizer import END_OF_TEXT, RESERVED, Tokenizer

__all__ = [
    "END_OF_TEXT", "LARGEST_VOCABULARY", "ChatTemplate", "Rendered", "TextStream", "Tokenizer", "TokenizerRecipe", "load",
    "well_formed",
]  # fmt: skip


class TokenizerRecipe(Variant):
    """How to make a tokenizer from texts."""

    special: tuple[str, ...] = ()
    """Special tokens besides <|endoftext|>. Each has one id, is never split, and never arises from a user's text."""

    reserved: int = Field(0, ge=0, le=1 << 16)
    """Ids reserved for future special tokens (a chat template's, say), so that a trained model keeps its shape."""

    ALWAYS: ClassVar[tuple[str, ...]] = (END_OF_TEXT,)
    """The special tokens that tokenizers of this kind cannot do without."""

    LOSSLESS: ClassVar[bool] = True
    """Whether its tokenizers give each text that they cover back as it was. One that changes texts on purpose, such as to
    lower case, says False."""

    SEES_ALL_TEXT: ClassVar[bool] = False
    """Whether `train` must see all text that will be encoded, because its tokenizers refuse what they have not seen."""

    @field_validator("special")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len({*cls.ALWAYS, *names}) != len(cls.ALWAYS) + len(names):
            always = " and ".join(cls.ALWAYS)
            raise ValueError(f"special tokens must differ from each other and from {always}; remove the duplicate")
        if any(name.startswith(RESERVED.partition("{")[0]) for name in names):
            raise ValueError("names that begin with <|reserved_ belong to reserved ids; rename it, or set `reserved`")
        if not all(names) or any(name != well_formed(name) for name in names):
            raise ValueError("a special token must be at least one character of valid Unicode; rename it")
        return names

    def special_from(self, first: int) -> dict[str, int]:
        """The special tokens, numbered from `first`: <|endoftext|> is the first, and the reserved ones are the last."""
        reserved = map(RESERVED.format, range(self.reserved))
        return {name: first + i for i, name in enumerate((*self.ALWAYS, *self.special, *reserved))}

    @classmethod
    def room(cls, vocab_size: int, info: ValidationInfo) -> int:
        """`vocab_size` if the special tokens fit into it; a ValueError for the field's validator to raise if not."""
        least = len(cls.ALWAYS) + len(info.data.get("special", ())) + info.data.get("reserved", 0)
        if vocab_size < least:
            raise ValueError(f"the special tokens alone need {least} ids; set it to more than that")
        return vocab_size

    @abc.abstractmethod
    def train(self, texts: Iterable[str]) -> "Tokenizer":
        """The tokenizer for these texts, which are read once, one after another; the same texts give the same ids."""

    @classmethod
    @abc.abstractmethod
    def restore(cls, special: dict[str, int], state: dict[str, Any]) -> "Tokenizer":
        """The tokenizer whose `state()` is `state`, read from a file nobody has checked yet. Raises TokenizerError."""


def load(path: str | Path, recipe: type[TokenizerRecipe] | None = None) -> Tokenizer:
    """Read a tokenizer's file. Raises TokenizerError, naming the path, for one that is missing, damaged or hostile."""
    try:
        return Tokenizer.from_json(_file.read(path), recipe)
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}; restore the file or train the tokenizer again") from None
