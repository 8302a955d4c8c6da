"""Encoding and decoding with a given list of merges: a little text in plain Python, much text by the kernels.

Both ways give the same ids. A few words never wait for numba: the kernels in `compiled/` take over once a tokenizer has
seen so much text that loading them is worth it. They are made when first needed, and left behind when the tokenizer is
pickled or copied.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glassformer.tokenizers.bpe import incremental
from glassformer.tokenizers.bpe.compiled import enough
from glassformer.tokenizers.bpe.merges import Pair
from glassformer.tokenizers.bpe.patterns import Splitter

if TYPE_CHECKING:
    from glassformer.tokenizers.bpe.compiled.encode import Encoder

BATCH = 1 << 22  # characters of the texts that are encoded together
SHORTEST = 100
FEW = 1 << 9  # characters, or ids, for which plain Python is faster than calling a kernel


class PieceEncoder:
    """Encodes in plain Python: cuts the text into pieces, and looks each piece up in a cache or merges it."""

    def __init__(self, split: Splitter, symbol_of: Mapping[Pair, int], ids: np.ndarray) -> None:
        """`ids[symbol]` is the id of each symbol."""
        self._split, self._symbol_of, self._ids = split, symbol_of, ids
        self._packed = PieceCache(self._pack)

    def encode(self, text: str) -> np.ndarray:
        """The ids of a text. Those of each piece are kept as packed bytes; joining the bytes gives the array."""
        packed = bytearray().join(map(self._packed.__getitem__, self._split(text)))
        return np.frombuffer(packed, self._ids.dtype)

    def _pack(self, piece: str) -> bytes:
        return self._ids[incremental.encode(piece.encode(), self._symbol_of)].tobytes()


class PieceCache(dict[str, bytes]):
    """piece -> its ids, packed; computed when first asked for. Emptied when full, so it never outgrows its bound."""

    MOST = 1 << 17  # pieces; about 30 MB
    LONGEST = 64  # characters; longer pieces rarely come back

    def __init__(self, compute: Callable[[str], bytes]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, piece: str) -> bytes:
        packed = self._compute(piece)
        if len(piece) <= self.LONGEST:
            if len(self) >= self.MOST:
                self.clear()
            self[piece] = packed
        return packed


class Kernels:
    """The compiled encoder and decoder of one tokenizer, each made once there is enough work for it."""

    def __init__(
        self, split: Splitter, symbol_of: Mapping[Pair, int], ids: np.ndarray, token_bytes: Mapping[int, bytes]
    ) -> None:
        self._made_of = split, symbol_of, ids, token_bytes
        self._encoder, self._decoder = None, None
        self._encoded, self._decoded = 0, 0  # in plain Python, so far

    def encoder(self, n_characters: int) -> "Encoder | None":
        """The compiled encoder; None if plain Python is sooner done with that many characters more."""
        if self._encoder is None or n_characters < FEW:
            self._encoded += n_characters
            if n_characters < FEW or self._encoded < enough("encode"):
                return None
            split, symbol_of, ids, _ = self._made_of
            if split.automaton is None:
                return None
            from glassformer.tokenizers.bpe.compiled.encode import Encoder

            self._encoder = Encoder(symbol_of, ids, split.automaton)
        return self._encoder

    def decode(self, ids: Iterable[int]) -> bytes | None:
        """The bytes of many ids; None if plain Python is sooner done, or must say what is wrong with them."""
        if not isinstance(ids, Sequence | np.ndarray) or len(ids) < FEW:
            return None
        if self._decoder is None:
            self._decoded += len(ids)
            if self._decoded < enough("decode"):
                return None
            from glassformer.tokenizers.bpe.compiled.decode import Decoder

            self._decoder = Decoder(self._made_of[3])
        try:
            many = ids if isinstance(ids, np.ndarray) else np.frombuffer(array("q", ids), np.int64)
        except (TypeError, OverflowError):
            return None
        return self._decoder.decode(many) if many.dtype.kind in "iu" and many.ndim == 1 else None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_encoder": None, "_decoder": None}


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Lists of about BATCH characters each; the first is of one text, so that the first ids come soon.

    A short text counts for SHORTEST characters, since every text has its own arrays.
    """
    batch, size = [], BATCH
    for text in texts:
        batch.append(text)
        size += max(len(text), SHORTEST)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
