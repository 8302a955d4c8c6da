"""Byte-level BPE: frequent runs of bytes become tokens. The tokenizer of GPT-2, GPT-4, Llama 3 and most others.

It starts from the 256 bytes, so no text is ever unknown, and learns *merges*: the most frequent pair of neighbouring
tokens becomes one new token, again and again (Gage 1994; Sennrich et al. 2016; on bytes, Radford et al. 2019). First a
regular expression cuts the text into pieces, roughly words (`patterns.py`); merges never leave a piece (`merge.py`).

>>> tokenizer = BPE(vocab_size=257 + 5).train(["low lower lowest"])
>>> tokenizer.merges
[(b'o', b'w'), (b'l', b'ow'), (b'low', b'e'), (b' ', b'lowe'), (b's', b't')]
>>> [tokenizer.token_bytes[id] for id in tokenizer.encode("low lower lowest")]
[b'low', b' lowe', b'r', b' lowe', b'st']

The ordered list of merges *is* the tokenizer: replay it and you see it learn. Ids are the bytes 0 to 255, then one id a
merge in the order learnt, then the special tokens.
"""

import functools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from glassformer.errors import TokenizerError
from glassformer.tokenizers import LARGEST_VOCABULARY, Tokenizer, TokenizerRecipe, _file, well_formed
from glassformer.tokenizers.bpe import gpt2_files
from glassformer.tokenizers.bpe.fast import BATCH, Fast, batches, cores, in_threads
from glassformer.tokenizers.bpe.merge import Merge, Pair, apply
from glassformer.tokenizers.bpe.patterns import Splitter
from glassformer.tokenizers.bpe.train import Learner


class BPE(TokenizerRecipe):
    """Byte-level byte-pair encoding."""

    vocab_size: int = Field(4096, le=LARGEST_VOCABULARY)
    """Number of ids: 256 bytes, the merges, and the special tokens. A corpus too small for so many gives fewer."""

    pattern: str = "gpt4"
    """How text is cut before merging: "gpt2", "gpt4", "o200k", "none" (a text is one piece), or a regular expression
    of your own."""

    min_frequency: int = Field(1, ge=1)
    """Learning stops, however small the vocabulary is by then, at pairs that occur less often than this."""

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
        return BPETokenizer(gpt2_files.read_merges(lines), pattern, special, ids)


class BPETokenizer(Tokenizer):
    """`merges` in the order learnt, the `pattern` that cuts text, special tokens. Covers every text.

    `ids[symbol]` is the id of each byte (symbols 0 to 255) and of each merge's result (256 + its rank); by default the
    symbol itself. GPT-2 numbers its bytes differently, which is all that `ids` is for.
    """

    def __init__(
        self, merges: Sequence[Merge], pattern: str, special: dict[str, int], ids: Sequence[int] | None = None
    ) -> None:
        self.merges, self.pattern = list(merges), pattern
        tokens, self._symbol_of = _replay(self.merges)
        self.ids = list(range(len(tokens))) if ids is None else list(ids)
        if len(self.ids) != len(tokens):
            raise TokenizerError(f"there are {len(self.ids)} ids for {len(tokens)} tokens")
        super().__init__(self.ids, tokens, special)
        try:
            self._split = Splitter(pattern)
        except ValueError as error:
            raise TokenizerError(f"pattern: {error}") from None
        self._ids_of_symbol = np.array(self.ids, self.dtype)
        self._packed = _Cache(self._pack)
        self._fast = Fast(self._split, self._symbol_of, self._ids_of_symbol, self._bytes)
        self.threads = cores()
        """How many threads encode long texts and many texts; the ids do not depend on it."""

    def _encode(self, text: str) -> np.ndarray:
        fast = self._fast.encoder(len(text))
        if not fast:
            return self._plain_encode(text)
        with in_threads(self.threads if len(text) >= BATCH else 1) as pool:
            return fast.begin([text.encode()], pool)()[0]

    def encode_array(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        """As every tokenizer's, but that some MB of texts are read ahead and encoded together."""
        waiting = deque()
        with in_threads(self.threads) as pool:
            for batch in batches(map(well_formed, texts)):
                if fast := self._fast.encoder(sum(map(len, batch))):
                    waiting.append(fast.begin([text.encode() for text in batch], pool))
                else:
                    waiting.append(functools.partial(map, self._plain_encode, batch))
                if len(waiting) > 1:  # while these ids are used, the threads are busy with the next
                    yield from waiting.popleft()()
            for finish in waiting:
                yield from finish()

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        decoded = self._fast.decode(ids)
        return super().decode_bytes(ids) if decoded is None else decoded

    def _plain_encode(self, text: str) -> np.ndarray:
        """Each piece's ids are looked up as packed bytes; joining those is the array."""
        packed = bytearray().join(map(self._packed.__getitem__, self._split(text)))
        return np.frombuffer(packed, self.dtype)

    def _pack(self, piece: str) -> bytes:
        return self._ids_of_symbol[apply(piece.encode(), self._symbol_of)].tobytes()

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"pattern": self.pattern, "merges": gpt2_files.write_merges(self.merges)}
        return state if self.ids == list(range(len(self.ids))) else {**state, "ids": self.ids}


def from_gpt2(vocab_json: str | Path, merges_txt: str | Path, *added_json: str | Path) -> BPETokenizer:
    """The tokenizer of a model in GPT-2's format, with exactly the ids of its `vocab.json`. Raises TokenizerError.

    >>> from_gpt2("gpt2/vocab.json", "gpt2/merges.txt").encode("Hello world")
    [15496, 995]
    """
    try:
        merges, ids, special = gpt2_files.read_files(vocab_json, merges_txt, *added_json)
        return BPETokenizer(merges, "gpt2", special, ids)
    except TokenizerError as error:
        raise TokenizerError(f"{vocab_json} and {merges_txt}: {error}; download both files again") from None


def _replay(merges: Sequence[Merge]) -> tuple[list[bytes], dict[Pair, int]]:
    """Every token in the order of learning, and the symbol each pair becomes. Raises TokenizerError if it cannot be."""
    tokens = [bytes([value]) for value in range(256)]
    symbols = {token: symbol for symbol, token in enumerate(tokens)}
    symbol_of: dict[Pair, int] = {}
    for number, (left, right) in enumerate(merges, start=1):
        for part in (left, right):
            if part not in symbols:
                raise TokenizerError(f"merge {number} joins {part!r:.80}, which no earlier merge has made")
        if left + right in symbols:
            raise TokenizerError(f"merge {number} makes {left + right!r:.80}, which is already a token")
        symbol_of[symbols[left], symbols[right]] = symbols[left + right] = len(tokens)
        tokens.append(left + right)
    return tokens, symbol_of


class _Cache(dict[str, bytes]):
    """piece -> its ids, packed; computed when first asked for. Emptied when full, so it never outgrows its bound."""

    MOST = 1 << 17  # pieces; about 30 MB
    LONGEST = 64  # characters; longer pieces rarely come back

    def __init__(self, compute) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, piece: str) -> bytes:
        packed = self._compute(piece)
        if len(piece) <= self.LONGEST:
            if len(self) >= self.MOST:
                self.clear()
            self[piece] = packed
        return packed
