"""Decoding many ids, compiled: the bytes of each token are copied from one array that holds them all."""

from collections.abc import Mapping

import numpy as np

from glassformer.system.compiled import kernel


class Decoder:
    """`token_bytes` maps each id to its bytes."""

    def __init__(self, token_bytes: Mapping[int, bytes]) -> None:
        lengths = np.full(1 + max(token_bytes), -1, np.int64)
        lengths[list(token_bytes)] = [len(piece) for piece in token_bytes.values()]
        self._ends = np.concatenate([[0], np.cumsum(np.maximum(lengths, 0))])
        self._is_token = lengths >= 0
        joined = b"".join(token_bytes[id] for id in sorted(token_bytes))
        self._text = np.frombuffer(joined + bytes(8), np.uint8)

    def decode(self, ids: np.ndarray) -> bytes | None:
        """The bytes of a 1-D array of integers; None if one of them is the id of no token."""
        ids = np.ascontiguousarray(ids, np.int64).view()
        ids.flags.writeable = False  # every array has one type then, so that the kernels are compiled once
        size = _size(ids, self._ends, self._is_token)
        if size < 0:
            return None
        out = np.empty(size + 8, np.uint8)
        _decode(ids, self._ends, self._text, out)
        return out[:size].tobytes()


@kernel
def _size(ids, ends, is_token):
    """How many bytes these ids stand for; -1 if one of them is the id of no token."""
    size = 0
    for i in range(len(ids)):
        id = ids[i]
        if not 0 <= id < len(is_token) or not is_token[id]:
            return -1
        size += ends[id + 1] - ends[id]
    return size


@kernel
def _decode(ids, ends, text, out):
    """Copy eight bytes at once, which is one step for the processor; what is too much is overwritten by the next token."""
    n = 0
    for i in range(len(ids)):
        id = ids[i]
        at, end = ends[id], ends[id + 1]
        a, b, c, d = text[at], text[at + 1], text[at + 2], text[at + 3]
        e, f, g, h = text[at + 4], text[at + 5], text[at + 6], text[at + 7]
        out[n], out[n + 1], out[n + 2], out[n + 3] = a, b, c, d
        out[n + 4], out[n + 5], out[n + 6], out[n + 7] = e, f, g, h
        for k in range(8, end - at):
            out[n + k] = text[at + k]
        n += end - at
