"""When a BPE tokenizer leaves plain Python for the kernels: after enough text, so that a few words
never wait for numba.

What the kernels need is made when first used, and left behind when the tokenizer is pickled or copied.
"""

import contextlib
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from glassformer.system import cache_folder
from glassformer.tokenizers.bpe.merge import Pair
from glassformer.tokenizers.bpe.patterns import Splitter

if TYPE_CHECKING:
    from glassformer.tokenizers.bpe.encode import Encoder

BATCH = 1 << 22  # characters of the texts that are encoded together
FEW = 1 << 9  # characters that plain Python encodes sooner than a kernel is called; ids that it decodes sooner


class Fast:
    """The compiled ways of one tokenizer, each None until it is worth its start."""

    def __init__(
        self, split: Splitter, symbol_of: Mapping[Pair, int], ids: np.ndarray, token_bytes: Mapping[int, bytes]
    ) -> None:
        self._made_of = split, symbol_of, ids, token_bytes
        self._encoder, self._gatherer = None, None
        self._encoded, self._decoded = 0, 0  # in plain Python, so far

    def encoder(self, n_characters: int) -> "Encoder | None":
        """The encoder, if that many more characters, or those before, are worth it."""
        if self._encoder is None or n_characters < FEW:
            self._encoded += n_characters
            if n_characters < FEW or self._encoded < cache_folder.enough():
                return None
            split, symbol_of, ids, _ = self._made_of
            if split.automaton is None:
                return None
            from glassformer.tokenizers.bpe.encode import Encoder

            self._encoder = Encoder(symbol_of, ids, split.automaton)
        return self._encoder

    def decode(self, ids: Iterable[int]) -> bytes | None:
        """The bytes of many integers; None where that is not worth it, or where plain Python must say what is wrong."""
        if not isinstance(ids, Sequence | np.ndarray) or len(ids) < FEW:
            return None
        if self._gatherer is None:
            self._decoded += len(ids)
            if self._decoded < cache_folder.enough():
                return None
            from glassformer.tokenizers.bpe.gather import Gatherer

            self._gatherer = Gatherer(self._made_of[3])
        try:
            many = ids if isinstance(ids, np.ndarray) else np.frombuffer(array("I", ids), np.uintc)
        except (TypeError, OverflowError):
            return None
        return self._gatherer.decode(many) if many.dtype.kind in "iu" and many.ndim == 1 else None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_encoder": None, "_gatherer": None}


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Lists of about BATCH characters each; the first is of one text, so that the first ids come soon."""
    batch, size = [], BATCH
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@contextlib.contextmanager
def in_threads(n: int) -> Iterator[ThreadPoolExecutor | None]:
    """A pool of n threads; none where one is enough."""
    if n < 2:
        yield None
        return
    pool = ThreadPoolExecutor(n)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
