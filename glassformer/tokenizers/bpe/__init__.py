"""Byte-level BPE (byte-pair encoding): frequent runs of bytes become tokens. GPT-2, GPT-4, Llama 3 and most others use it.

*Training* (Gage 1994; Sennrich et al. 2016): every word starts as its single bytes. Count all pairs of neighbouring
tokens, merge the most frequent pair into one new token wherever it occurs, and repeat. The ordered list of merges is
all that is learnt. *Encoding* a word: start from its bytes again and apply the merges in the order they were learnt.
`plain_learn` and `plain_encode` below are these sentences as code.

Since it starts from the 256 bytes, it can encode every text (Radford et al. 2019). A regular expression first cuts the
text into pieces, roughly words (`patterns.py`), and no merge joins two pieces.

>>> tokenizer = BPE(vocab_size=257 + 5).train(["low lower lowest"])
>>> tokenizer.merges
[(b'o', b'w'), (b'l', b'ow'), (b'low', b'e'), (b' ', b'lowe'), (b's', b't')]
>>> [tokenizer.token_bytes[id] for id in tokenizer.encode("low lower lowest")]
[b'low', b' lowe', b'r', b' lowe', b'st']

The tokenizer itself takes faster ways to the same answers, and the tests compare them with the plain ones:
`incremental.py` in Python, `compiled/` in machine code; `train.py` and `encode.py` choose between the two.
"""

import functools
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from glassformer.errors import TokenizerError
from glassformer.system.threads import cores, in_threads
from glassformer.tokenizers import LARGEST_VOCABULARY, Tokenizer, TokenizerRecipe, _file, well_formed
from glassformer.tokenizers.bpe.encode import BATCH, Kernels, PieceEncoder, batches
from glassformer.tokenizers.bpe.merges import Merge, read_merges, replay, write_merges
from glassformer.tokenizers.bpe.patterns import Splitter
from glassformer.tokenizers.bpe.train import Learner


def plain_learn(words: Mapping[bytes, int], n_merges: int, min_frequency: int = 1) -> list[Merge]:
    """Training: at most `n_merges` merges from words and how often each occurs.

    >>> plain_learn({b"low": 2, b"lower": 1, b"lowest": 1}, n_merges=3)
    [(b'o', b'w'), (b'l', b'ow'), (b'low', b'e')]

    Of equally frequent pairs the lexicographically greatest is taken, so the order of the words does not matter.
    Learning stops early when no pair occurs `min_frequency` times any more.
    """
    tokens_of = {word: [bytes([value]) for value in word] for word in words}
    merges: list[Merge] = []
    while len(merges) < n_merges:
        counts: Counter[Merge] = Counter()
        for word, tokens in tokens_of.items():
            for pair in zip(tokens, tokens[1:]):
                counts[pair] += words[word]
        best = max(counts, key=lambda pair: (counts[pair], pair), default=None)
        if best is None or counts[best] < min_frequency:
            break
        merges.append(best)
        tokens_of = {word: merge(tokens, best) for word, tokens in tokens_of.items()}
    return merges


def plain_encode(word: bytes, merges: Sequence[Merge]) -> list[bytes]:
    """Encoding: the tokens of a word. Of the pairs in it, the one learnt first is merged; then again, until none is left.

    >>> plain_encode(b"slower", [(b'o', b'w'), (b'l', b'ow'), (b'low', b'e')])
    [b's', b'lowe', b'r']
    """
    rank = {pair: number for number, pair in enumerate(merges)}
    tokens = [bytes([value]) for value in word]
    while known := [pair for pair in zip(tokens, tokens[1:]) if pair in rank]:
        tokens = merge(tokens, min(known, key=rank.__getitem__))
    return tokens


def merge(tokens: Sequence[bytes], pair: Merge) -> list[bytes]:
    """The tokens with the two of `pair` joined wherever they stand side by side, from left to right: a a a -> aa a."""
    merged: list[bytes] = []
    for token in tokens:
        if merged and (merged[-1], token) == pair:
            merged[-1] += token
        else:
            merged.append(token)
    return merged


class BPE(TokenizerRecipe):
    """Byte-level byte-pair encoding."""

    vocab_size: int = Field(4096, le=LARGEST_VOCABULARY)
    """Number of ids: the 256 bytes, the merges and the special tokens. A small corpus may give fewer merges."""

    pattern: str = "gpt4"
    """How text is cut into pieces before merging: "gpt2", "gpt4", "o200k", "none" (a text is one piece), or a regular
    expression of your own."""

    min_frequency: int = Field(1, ge=1)
    """Pairs that occur less often than this are not merged, even if the vocabulary stays smaller."""

    @field_validator("vocab_size")
    @classmethod
    def _room_for_bytes(cls, vocab_size: int, info: ValidationInfo) -> int:
        least = 256 + 1 + len(info.data.get("special", ())) + info.data.get("reserved", 0)
        if vocab_size < least:
            raise ValueError(f"the 256 bytes and the special tokens alone need {least} ids; set it to {least} or more")
        return vocab_size

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        Splitter(pattern)
        return pattern

    def train(self, texts: Iterable[str]) -> "BPETokenizer":
        """Learn the merges from all texts. Only the count of each unique piece is kept in memory, never the texts."""
        learner = Learner(Splitter(self.pattern))
        for text in texts:
            learner.add(well_formed(text))
        merges = learner.learn(self.vocab_size - 256 - len(self.special_from(0)), self.min_frequency)
        return BPETokenizer(merges, self.pattern, self.special_from(256 + len(merges)))

    @classmethod
    def restore(cls, special: dict[str, int], state: dict[str, Any]) -> "BPETokenizer":
        _file.expect(state, "pattern", "merges", optional=("ids",))
        pattern, lines, ids = state["pattern"], state["merges"], state.get("ids")
        if not isinstance(pattern, str):
            raise TokenizerError("'pattern' must be a string")
        if not _file.strings(lines) or len(lines) > LARGEST_VOCABULARY:
            raise TokenizerError(f"'merges' must be a list of at most {LARGEST_VOCABULARY} strings like \"h e\"")
        if ids is not None and not _file.integers(ids):
            raise TokenizerError("'ids' must be a list of integers")
        return BPETokenizer(read_merges(lines), pattern, special, ids)


class BPETokenizer(Tokenizer):
    """`merges` in the order learnt, the `pattern` that cuts text, special tokens. Covers every text.

    `ids` gives the id of each byte and then of each merge's result: by default 0 to 255 for the bytes and 256 + k for
    merge number k, counted from 0. GPT-2 numbers its bytes differently, which is what `ids` is for.
    """

    def __init__(
        self, merges: Sequence[Merge], pattern: str, special: dict[str, int], ids: Sequence[int] | None = None
    ) -> None:
        self.merges, self.pattern = list(merges), pattern
        tokens, symbol_of = replay(self.merges)
        self.ids = list(range(len(tokens))) if ids is None else list(ids)
        if len(self.ids) != len(tokens):
            raise TokenizerError(f"there are {len(self.ids)} ids for {len(tokens)} tokens")
        super().__init__(self.ids, tokens, special)
        try:
            split = Splitter(pattern)
        except ValueError as error:
            raise TokenizerError(f"pattern: {error}") from None
        ids_of_symbol = np.array(self.ids, self.dtype)
        self._in_python = PieceEncoder(split, symbol_of, ids_of_symbol)
        self._kernels = Kernels(split, symbol_of, ids_of_symbol, self._bytes)
        self.threads = cores()
        """How many threads encode long texts and many texts; the ids do not depend on it."""

    def _encode(self, text: str) -> np.ndarray:
        compiled = self._kernels.encoder(len(text))
        if not compiled:
            return self._in_python.encode(text)
        with in_threads(self.threads if len(text) >= BATCH else 1) as threads:
            return compiled.begin([text.encode()], threads)()[0]

    def _encode_many(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        """Some MB of texts are read ahead and encoded together."""
        waiting = deque()
        with in_threads(self.threads) as threads:
            for batch in batches(texts):
                if compiled := self._kernels.encoder(sum(map(len, batch))):
                    waiting.append(compiled.begin([text.encode() for text in batch], threads))
                else:
                    waiting.append(functools.partial(map, self._in_python.encode, batch))
                if len(waiting) > 1:  # while the caller uses these ids, the threads are busy with the next
                    yield from waiting.popleft()()
            for finish in waiting:
                yield from finish()

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        decoded = self._kernels.decode(ids)
        return super().decode_bytes(ids) if decoded is None else decoded

    @functools.cached_property
    def _lines(self) -> list[str]:
        return write_merges(self.merges)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"pattern": self.pattern, "merges": self._lines}
        return state if self.ids == list(range(len(self.ids))) else {**state, "ids": self.ids}
