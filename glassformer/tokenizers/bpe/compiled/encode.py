"""Encoding, compiled: cut documents into pieces, look each piece up in a cache, and merge those that are not in it.

`scan.py` cuts and `merge.py` merges. Most pieces of a text have been seen a moment ago, so most of the time goes into
looking them up. Threads share the vocabulary and have a cache each. A large document is cut only where a piece surely
ends, so that its parts, encoded separately, give the ids of the whole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from glassformer.system.compiled import kernel
from glassformer.system.threads import Threads
from glassformer.tokenizers.bpe.automaton import Automaton
from glassformer.tokenizers.bpe.compiled.merge import merge_long, merge_short, vocabulary
from glassformer.tokenizers.bpe.compiled.scan import SHORT, first_slot, piece_end, piece_key, scanner
from glassformer.tokenizers.bpe.merges import Pair

LONG = 512  # bytes; a longer piece is merged by `merge_long` and not cached
PART = 1 << 20  # bytes of a thread's share of work, about


class Cache(NamedTuple):
    """The ids of pieces seen lately; emptied when full. `parts` and `results` are working space for one short piece.

    The value of a short piece of n = 1 to 3 ids is id | id << 20 | id << 40 | n << 60. The value of any other piece is
    place | n << 32 | length << 44, and store[place:] holds its n ids and then its bytes.
    """

    keys: np.ndarray  # (power of two,) int64; 0 in an empty slot
    values: np.ndarray  # int64
    store: np.ndarray  # uint32
    used: np.ndarray  # (2,) int64: number of pieces, and of cells of the store
    parts: np.ndarray  # (LONG,) int64: symbols
    results: np.ndarray  # (LONG,) int64: what each part and the next are merged into


class Encoder:
    """Encodes UTF-8 documents into arrays of ids, in one thread or in several."""

    def __init__(self, symbol_of: Mapping[Pair, int], ids: np.ndarray, found: Automaton) -> None:
        self._scan, self._dtype, self._may_cut = scanner(found), ids.dtype, found.ends_lines()
        self._vocabulary = vocabulary(symbol_of, ids)
        self._caches: list[Cache] = []  # those that no thread is using

    def begin(self, documents: Sequence[bytes], threads: Threads | None = None) -> Callable[[], list[np.ndarray]]:
        """Start encoding documents of valid UTF-8 in these threads; calling the result waits for their ids.

        Without threads they are encoded at that call.
        """
        data = np.frombuffer(b"".join(documents), np.uint8)
        tasks = list(self._tasks(documents))
        shares = [partial(self._run, data, task) for task in tasks]
        results = [threads.submit(share).result for share in shares] if threads else shares

        def finish() -> list[np.ndarray]:
            parts: list[list[np.ndarray]] = [[] for _ in documents]
            for task, result in zip(tasks, results):
                for document, ids in zip(task[:, 3].tolist(), result()):
                    parts[document].append(ids)
            return [part[0] if len(part) == 1 else np.concatenate(part) for part in parts]

        return finish

    def _tasks(self, documents: Sequence[bytes]) -> Iterator[np.ndarray]:
        """Shares of about PART bytes, each with rows (start, stop, end of its document, number of its document)."""
        rows: list[tuple[int, int, int, int]] = []
        first = 0
        for number, document in enumerate(documents):
            cuts = [0, *(_cuts(document) if self._may_cut else ()), len(document)]
            for start, stop in zip(cuts, cuts[1:]):
                rows.append((first + start, first + stop, first + len(document), number))
                if rows[-1][1] - rows[0][0] >= PART:
                    yield np.array(rows, np.int64)
                    rows = []
            first += len(document)
        if rows:
            yield np.array(rows, np.int64)

    def _run(self, data: np.ndarray, task: np.ndarray) -> list[np.ndarray]:
        """The ids of each row of the task."""
        try:
            cache = self._caches.pop()
        except IndexError:
            cache = _cache()
        ids, sizes = np.empty(task[-1, 1] - task[0, 0], np.uint32), np.empty(len(task), np.int64)
        _encode(data, task, self._scan, self._vocabulary, cache, ids, sizes)
        self._caches.append(cache)
        return [ids[end - size : end].astype(self._dtype) for size, end in zip(sizes.tolist(), sizes.cumsum().tolist())]


def _cuts(document: bytes) -> Iterator[int]:
    """Places about PART bytes apart between a line break and an ASCII letter; fewer where there are none."""
    at = PART
    while at < len(document):
        line = document.find(b"\n", at, at + PART)
        if 0 <= line < len(document) - 1 and document[line + 1 : line + 2].isalpha():
            yield line + 1
            at = line + PART
        else:
            at = at + PART if line < 0 else line + 1


def _cache(n_slots: int = 1 << 18, n_cells: int = 1 << 22) -> Cache:
    keys, values, store = np.zeros(n_slots, np.int64), np.empty(n_slots, np.int64), np.empty(n_cells, np.uint32)
    return Cache(keys, values, store, np.zeros(2, np.int64), np.empty(LONG, np.int64), np.empty(LONG, np.int64))


@kernel
def _encode(text, task, scan, vocabulary, cache, out, sizes):
    """Write the ids of the task's rows to `out`, one after another, and how many each row has to `sizes`."""
    n = 0
    keys, values, store, used, parts, results = cache
    merges, of_bytes, symbol_ids = vocabulary
    mask = len(keys) - 1
    for row in range(len(task)):
        start, stop, end, before = task[row, 0], task[row, 1], task[row, 2], n
        while start < stop:
            after = piece_end(text, start, end, scan)
            length = after - start
            if length > LONG:
                n = merge_long(text, start, after, vocabulary, out, n)
                start = after
                continue
            key = piece_key(text, start, after)
            slot = first_slot(key, mask)
            while True:
                if keys[slot] == key:
                    value = values[slot]
                    n_ids = value >> 60
                    if n_ids > 0:
                        out[n] = value & 0xFFFFF
                        if n_ids > 1:
                            out[n + 1] = value >> 20 & 0xFFFFF
                            if n_ids > 2:
                                out[n + 2] = value >> 40 & 0xFFFFF
                        n += n_ids
                        break
                    place, n_ids = value & 0xFFFFFFFF, value >> 32 & 0xFFF
                    if length <= SHORT or (value >> 44 == length and _is_at(store, place + n_ids, text, start, length)):
                        for i in range(n_ids):
                            out[n + i] = store[place + i]
                        n += n_ids
                        break
                elif keys[slot] == 0:
                    n_ids = merge_short(text, start, length, merges, of_bytes, parts, results)
                    for i in range(n_ids):
                        out[n + i] = symbol_ids[parts[i]]
                    if 2 * used[0] >= len(keys) or used[1] + 2 * LONG > len(store):
                        keys[:] = 0
                        used[:] = 0
                        slot = first_slot(key, mask)
                    keys[slot] = key
                    used[0] += 1
                    values[slot] = _remember(text, start, length, store, used, out, n, n_ids)
                    n += n_ids
                    break
                slot = slot + 1 & mask
            start = after
        sizes[row] = n - before


@kernel
def _is_at(store, place, text, start, length):
    """Whether the store holds these bytes of the text at `place`."""
    i = 0
    while i < length and store[place + i] == text[start + i]:
        i += 1
    return i == length


@kernel
def _remember(text, start, length, store, used, out, n, n_ids):
    """The value by which a Cache keeps the ids out[n : n + n_ids] of a piece."""
    value = np.int64(n_ids) << 60
    if length <= SHORT and n_ids <= 3:
        for i in range(n_ids):
            value |= np.int64(out[n + i]) << 20 * i
        return value
    place = used[1]
    for i in range(n_ids):
        store[place + i] = out[n + i]
    for i in range(length):
        store[place + n_ids + i] = text[start + i]
    used[1] += n_ids + length
    return place | np.int64(n_ids) << 32 | np.int64(length) << 44
