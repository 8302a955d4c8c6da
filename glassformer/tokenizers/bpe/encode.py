"""Encoding, compiled: pieces by the automaton, their ids from a memory of pieces, and merges for the pieces not in it.

Three ways to apply merges, one answer, that of `plain_apply` in `merge.py`. A piece seen lately is looked up. A short
one searches all its pairs for the earliest-learnt, again and again. A long one would be quadratic so; it keeps for each
merge a list of its places, and takes the merges in the order learnt: every place is visited a bounded number of times.

Threads share the vocabulary and have a memory each. A large document is cut where its pieces surely end, so that the
parts, encoded alone, give the ids of the whole.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np

from glassformer.system.compiled import kernel
from glassformer.tokenizers.bpe.automaton import Automaton
from glassformer.tokenizers.bpe.scan import SHORT, first_slot, piece_end, piece_key, scanner

LONG = 512  # bytes from which a piece is merged by lists of places, and is not remembered
PART = 1 << 20  # bytes of a thread's share of work, about
NEVER = np.int64(1 << 20)  # the symbol of a pair that is never merged: greater than all


class Vocabulary(NamedTuple):
    """Merges in an open-addressing table: left << 40 | right << 20 | result; 0 where there is none."""

    merges: np.ndarray  # (power of two,) int64
    of_bytes: np.ndarray  # (65536,) int64: what each pair of bytes is merged into, or NEVER
    ids: np.ndarray  # (n_symbols,) uint32


class Memory(NamedTuple):
    """Ids of pieces seen lately; forgotten all at once when full. `parts` and `results` are room for one short piece.

    A value is id | id << 20 | id << 40 | n << 60 for n = 1 to 3 ids of a short piece. Otherwise it is
    place | n << 32 | length << 44, and `store` holds n ids and then the bytes of the piece.
    """

    keys: np.ndarray  # (power of two,) int64; 0 where there is none
    values: np.ndarray  # int64
    store: np.ndarray  # uint32
    used: np.ndarray  # (2,) int64: pieces, and cells of the store
    parts: np.ndarray  # (LONG,) int64: symbols
    results: np.ndarray  # (LONG,) int64: of each part and the next, what they are merged into


class Encoder:
    """Encodes UTF-8 documents into arrays of ids, in one thread or in those of a pool."""

    def __init__(self, symbol_of: Mapping[tuple[int, int], int], ids: np.ndarray, found: Automaton) -> None:
        self._scan, self._dtype, self._may_cut = scanner(found), ids.dtype, found.ends_lines()
        merges = np.array([(*pair, symbol) for pair, symbol in symbol_of.items()], np.int64).reshape(-1, 3)
        table = np.zeros(1 << (2 * len(merges) + 2).bit_length(), np.int64)
        _fill(table, merges)
        of_bytes = np.full(1 << 16, NEVER)
        first = merges[(merges[:, :2] < 256).all(axis=1)]
        of_bytes[first[:, 0] << 8 | first[:, 1]] = first[:, 2]
        self._vocabulary = Vocabulary(table, of_bytes, ids.astype(np.uint32))
        self._memories: list[Memory] = []  # those that no thread is using

    def begin(self, documents: Sequence[bytes], pool: Executor | None = None) -> Callable[[], list[np.ndarray]]:
        """Start encoding documents of valid UTF-8 in the pool's threads; calling the result waits for their ids.

        Without a pool they are encoded at that call.
        """
        data = np.frombuffer(b"".join(documents), np.uint8)
        tasks = list(self._tasks(documents))
        done = (pool.map if pool else map)(lambda task: self._run(data, task), tasks)

        def finish() -> list[np.ndarray]:
            parts: list[list[np.ndarray]] = [[] for _ in documents]
            for task, arrays in zip(tasks, done):
                for document, ids in zip(task[:, 3].tolist(), arrays):
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
            memory = self._memories.pop()
        except IndexError:
            memory = _memory()
        ids, sizes = np.empty(task[-1, 1] - task[0, 0], self._dtype), np.empty(len(task), np.int64)
        _encode(data, task, self._scan, self._vocabulary, memory, ids, sizes)
        self._memories.append(memory)
        return [ids[end - size : end].copy() for size, end in zip(sizes.tolist(), sizes.cumsum().tolist())]


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


def _memory(n_slots: int = 1 << 18, n_cells: int = 1 << 22) -> Memory:
    keys, values, store = np.zeros(n_slots, np.int64), np.empty(n_slots, np.int64), np.empty(n_cells, np.uint32)
    return Memory(keys, values, store, np.zeros(2, np.int64), np.empty(LONG, np.int64), np.empty(LONG, np.int64))


@kernel
def _fill(table, merges):
    mask = len(table) - 1
    for i in range(len(merges)):
        pair = merges[i, 0] << 20 | merges[i, 1]
        slot = first_slot(pair, mask)
        while table[slot] != 0:
            slot = slot + 1 & mask
        table[slot] = pair << 20 | merges[i, 2]


@kernel
def _encode(text, task, scan, vocabulary, memory, out, sizes):
    """Write the ids of the task's rows to `out`, one after another, and how many each has to `sizes`."""
    n = 0
    keys, values, store, used, parts, results = memory
    merges, of_bytes, symbol_ids = vocabulary
    mask = len(keys) - 1
    for row in range(len(task)):
        start, stop, end, before = task[row, 0], task[row, 1], task[row, 2], n
        while start < stop:
            after = piece_end(text, start, end, scan)
            length = after - start
            if length > LONG:
                n = _merge_long(text, start, after, vocabulary, out, n)
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
                    n_ids = _merge_short(text, start, length, merges, of_bytes, parts, results)
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
    i = 0
    while i < length and store[place + i] == text[start + i]:
        i += 1
    return i == length


@kernel
def _remember(text, start, length, store, used, out, n, n_ids):
    """The value by which a Memory keeps the ids out[n : n + n_ids] of a piece."""
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


@kernel
def _merged(merges, left, right):
    """The symbol that a pair is merged into, or NEVER."""
    pair, mask = np.int64(left) << 20 | np.int64(right), len(merges) - 1
    slot = first_slot(pair, mask)
    while merges[slot] != 0:
        if merges[slot] >> 20 == pair:
            return merges[slot] & 0xFFFFF
        slot = slot + 1 & mask
    return NEVER


@kernel
def _merge_short(text, start, n, merges, of_bytes, parts, results):
    """Leave the symbols of a piece of n bytes in `parts`; how many."""
    for i in range(n):
        parts[i] = text[start + i]
    for i in range(n - 1):
        results[i] = of_bytes[parts[i] << 8 | parts[i + 1]]
    while n > 1:
        at, best = 0, results[0]
        for i in range(1, n - 1):
            if results[i] < best:
                at, best = i, results[i]
        if best == NEVER:
            break
        parts[at] = best
        n -= 1
        for i in range(at + 1, n):
            parts[i], results[i - 1] = parts[i + 1], results[i]
        if at > 0:
            results[at - 1] = _merged(merges, parts[at - 1], best)
        if at < n - 1:
            results[at] = _merged(merges, best, parts[at + 1])
    return n


@kernel
def _merge_long(text, start, stop, vocabulary, out, n):
    """Write the ids of a piece to out[n:]; the next n. Time grows as the piece does.

    `head[s]` and `tail[s]` are the first and last note of symbol s, a note being a place whose pair becomes s. A merge
    only notes later merges, so the places of s are complete, and in order from left to right, when its turn comes.
    """
    merges, length = vocabulary.merges, stop - start
    parts, results = np.empty(length, np.int64), np.full(length, NEVER, np.int64)
    left, right = np.arange(-1, length - 1), np.arange(1, length + 1)
    place, following = np.empty(3 * length, np.int64), np.full(3 * length, -1, np.int64)
    head, tail = np.full(len(vocabulary.ids), -1, np.int64), np.empty(len(vocabulary.ids), np.int64)
    turns = [NEVER]  # a heap of the symbols that have notes
    n_notes = 0
    for i in range(length):
        parts[i] = text[start + i]
    for i in range(length - 1):
        results[i] = vocabulary.of_bytes[parts[i] << 8 | parts[i + 1]]
        n_notes = _note(results[i], i, place, following, head, tail, turns, n_notes)
    while turns[0] != NEVER:
        symbol = heapq.heappop(turns)
        note = head[symbol]
        while note >= 0:
            i, note = place[note], following[note]
            if results[i] != symbol:
                continue
            j = right[i]
            h, k = left[i], right[j]
            parts[i], parts[j], results[i], results[j], right[i] = symbol, -1, NEVER, NEVER, k
            if k < length:
                left[k] = i
                results[i] = _merged(merges, symbol, parts[k])
                n_notes = _note(results[i], i, place, following, head, tail, turns, n_notes)
            if h >= 0:
                results[h] = _merged(merges, parts[h], symbol)
                n_notes = _note(results[h], h, place, following, head, tail, turns, n_notes)
    for i in range(length):
        if parts[i] >= 0:
            out[n] = vocabulary.ids[parts[i]]
            n += 1
    return n


@kernel
def _note(symbol, i, place, following, head, tail, turns, n_notes):
    """Place i waits for the turn of `symbol`; the number of notes then."""
    if symbol == NEVER:
        return n_notes
    place[n_notes] = i
    if head[symbol] < 0:
        head[symbol] = n_notes
        heapq.heappush(turns, symbol)
    else:
        following[tail[symbol]] = n_notes
    tail[symbol] = n_notes
    return n_notes + 1
