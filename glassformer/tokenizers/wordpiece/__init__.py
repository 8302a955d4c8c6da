"""WordPiece: a word is cut into its longest known beginning and then `##` continuations. The tokenizer of BERT.

Training joins the neighbours that belong together most (`likelihood.py`). Encoding needs no merges, only the
vocabulary: take the longest token that begins the word, then the longest `##` token that continues it, and so on
(Wu et al. 2016). A word that cannot be spelled in this way becomes `[UNK]` as a whole.

>>> tokenizer = WordPiece(vocab_size=21, min_frequency=2).train(["low lower lowest"] * 3)
>>> [tokenizer.pieces[id] for id in tokenizer.encode("low lowest")]
['l', '##ow', ' l', '##ow', '##est']

The setting `reading` says how text is cut into words. "exact" cuts as `word` does and keeps every space, so covered
text comes back as it was. "bert-uncased" and "bert-cased" read text as those models do (`bert.py`). What comes back then
is a normal form with one space before each word and sign: "Hello, World" becomes " hello , world".
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from glassformer.errors import TokenizerError
from glassformer.tokenizers import (
    END_OF_TEXT,
    LARGEST_VOCABULARY,
    Tokenizer,
    TokenizerRecipe,
    _file,
    _words,
    well_formed,
)
from glassformer.tokenizers.wordpiece import bert
from glassformer.tokenizers.wordpiece.likelihood import CONTINUES, learn, letters

UNKNOWN = "[UNK]"
"""Stands for every word that the vocabulary cannot spell."""
LONGEST_WORD = 100
"""Characters; a longer word is `[UNK]`, as in BERT, so that no text is slow."""

Reading = Literal["exact", "bert-uncased", "bert-cased"]


def _reader(reading: Reading) -> Callable[[str], list[str]]:
    """The function that cuts a text into words."""
    if reading == "exact":
        return _words.split
    return _uncased if reading == "bert-uncased" else _cased


def _uncased(text: str) -> list[str]:
    return bert.words(text, lowercase=True)


def _cased(text: str) -> list[str]:
    return bert.words(text, lowercase=False)


class WordPiece(TokenizerRecipe):
    """Beginnings of words and their continuations."""

    ALWAYS: ClassVar[tuple[str, ...]] = (END_OF_TEXT, UNKNOWN)

    LOSSLESS = False

    vocab_size: int = Field(4096, le=LARGEST_VOCABULARY)
    """Number of ids: characters, the tokens joined from them, and the special tokens. A small corpus may give fewer."""
    min_frequency: int = Field(50, ge=1)
    """How often two neighbours must occur together to be joined. Small values fill the vocabulary with rare tokens."""
    reading: Reading = "exact"
    """How text is cut into words: "exact" keeps every space, "bert-uncased" and "bert-cased" drop what BERT drops."""

    @field_validator("vocab_size")
    @classmethod
    def _room_for_special(cls, vocab_size: int, info: ValidationInfo) -> int:
        return cls.room(vocab_size, info)

    def train(self, texts: Iterable[str]) -> "WordPieceTokenizer":
        """Learn from all texts. Only the count of each unique word is kept in memory, never the texts."""
        read = _reader(self.reading)
        words: Counter[str] = Counter()
        for text in texts:
            words.update(read(well_formed(text)))
        room = self.vocab_size - len(self.special_from(0))
        pieces = alphabet(words)[:room]
        pieces += learn(words, set(pieces), room - len(pieces), self.min_frequency)
        return WordPieceTokenizer(pieces, self.reading, self.special_from(len(pieces)))

    @classmethod
    def restore(cls, special: dict[str, int], state: dict[str, Any]) -> "WordPieceTokenizer":
        _file.expect(state, "reading", "pieces", optional=("ids", "unknown", "longest_word"))
        reading, unknown, ids = state["reading"], state.get("unknown", UNKNOWN), state.get("ids")
        longest = state.get("longest_word", LONGEST_WORD)
        if reading not in get_args(Reading):
            raise TokenizerError(f"'reading' must be one of {', '.join(get_args(Reading))}")
        if not isinstance(unknown, str) or type(longest) is not int or not 0 < longest <= 1000:
            raise TokenizerError("'unknown' must be a special token and 'longest_word' a number from 1 to 1000")
        if ids is not None and not _file.integers(ids):
            raise TokenizerError("'ids' must be a list of integers")
        return WordPieceTokenizer(_file.vocabulary(state["pieces"], "pieces"), reading, special, ids, unknown, longest)


class WordPieceTokenizer(Tokenizer):
    """Covers the texts whose characters are all in the vocabulary and whose words have at most `longest_word` of them.

    In the two readings of BERT the text must also be its own normal form. `ids[i]` is the id of `pieces[i]`, by default
    i. The bytes of a token are its text without `##`; in BERT's readings, the beginning of a word has a space before it.
    """

    def __init__(
        self, pieces: Sequence[str], reading: Reading, special: dict[str, int], ids: Sequence[int] | None = None,
        unknown: str = UNKNOWN, longest_word: int = LONGEST_WORD,
    ) -> None:  # fmt: skip
        self.reading: Reading = reading
        self.pieces, self.unknown, self.longest_word = list(pieces), unknown, longest_word
        self.ids = list(range(len(pieces))) if ids is None else list(ids)
        if len(self.ids) != len(self.pieces):
            raise TokenizerError(f"there are {len(self.ids)} ids for {len(self.pieces)} tokens")
        if unknown not in special:
            raise TokenizerError(f"the special tokens must include {unknown:.80}, which stands for unknown words")
        space = "" if reading == "exact" else " "
        super().__init__(self.ids, [_text(piece, space).encode() for piece in self.pieces], special)
        self._read = _reader(reading)
        self._id_of = dict(zip(self.pieces, self.ids))
        self._sorted = sorted(self.pieces)  # tells whether any token begins like this, without a set of all beginnings
        self._cache: dict[str, list[int]] = {}

    def _encode(self, text: str) -> np.ndarray:
        ids: list[int] = []
        for word in self._read(text):
            ids += self._ids(word)
        return np.array(ids, self.dtype)

    def _encode_sizes(self, text: str) -> tuple[np.ndarray, Sequence[int]]:
        if self.reading != "exact":
            return super()._encode_sizes(text)
        ids, sizes = [], []
        for word in self._read(text):
            ids += (found := self._ids(word))
            is_unknown = found == [self.special[self.unknown]]
            sizes += [len(word.encode())] if is_unknown else [len(self.token_bytes[id]) for id in found]
        return np.array(ids, self.dtype), sizes

    def _ids(self, word: str) -> list[int]:
        if (found := self._cache.get(word)) is None:
            if len(self._cache) >= MOST_CACHED:
                self._cache.clear()
            found = self._cache[word] = self._spell(word)
        return found

    def _spell(self, word: str) -> list[int]:
        """Take the longest token that fits, again and again; `[UNK]` alone if at some point none does."""
        ids, start = [], 0
        if len(word) > self.longest_word:
            return [self.special[self.unknown]]
        while start < len(word):
            prefix, best, at = (CONTINUES if start else ""), -1, 0
            for end in range(start + 1, len(word) + 1):
                candidate = prefix + word[start:end]
                at = bisect_left(self._sorted, candidate, at)
                if at == len(self._sorted) or not self._sorted[at].startswith(candidate):
                    break
                if len(self._sorted[at]) == len(candidate):
                    best, longest = self._id_of[candidate], end
            if best < 0:
                return [self.special[self.unknown]]
            ids.append(best)
            start = longest
        return ids

    def state(self) -> dict[str, Any]:
        """`ids`, `unknown` and `longest_word` are included only if they differ from what `WordPiece.train` gives."""
        own = {"ids": list(range(len(self.ids))), "unknown": UNKNOWN, "longest_word": LONGEST_WORD}
        changed = {key: getattr(self, key) for key, value in own.items() if getattr(self, key) != value}
        return {"reading": self.reading, "pieces": self.pieces, **changed}


MOST_CACHED = 1 << 16
"""Words whose spelling is remembered."""


def alphabet(words: Counter[str]) -> list[str]:
    """Every character of the words as a token, once as a beginning and once with `##`; the most frequent first."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for letter in letters(word):
            counts[letter] += count
    for letter in list(counts):
        counts[letter[-1]] += 0
        if not letter[-1].isspace():
            counts[CONTINUES + letter[-1]] += 0
    return sorted(counts, key=lambda letter: (-counts[letter], letter))


def _text(piece: str, space: str) -> str:
    continues = piece.startswith(CONTINUES) and len(piece) > len(CONTINUES)
    return piece[len(CONTINUES) :] if continues else space + piece
