"""What `linear_attention` and `gated_delta` share: they read a sequence in chunks and keep packed documents apart.

Inside a chunk all pairs of tokens are compared at once by matrix products. From one chunk to the next a state carries
everything that was read before.
"""

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

CHUNK = 64
"""Tokens in a chunk."""


class Chunk(NamedTuple):
    """Which tokens of a chunk of Q may read what: factors of 1 and 0 that broadcast to (B, G, H/G, ...)."""

    pairs: Tensor
    """(Q, Q), or (B, 1, 1, Q, Q) with documents: 1 where a token reads an earlier one of its document, or itself."""
    entering: Tensor | float
    """(B, 1, 1, Q, 1): 1 where the token reads the state from before the chunk."""
    leaving: Tensor | float
    """(B, 1, 1, Q, 1): 1 where the state after the chunk contains the token."""
    kept: Tensor | float
    """(B, 1, 1, 1, 1): 1 where the state after the chunk contains the state from before it."""


def chunks(T: int, documents: Tensor | None, like: Tensor) -> Iterator[Chunk]:
    """The chunks of T tokens; documents (B, T) never falls along a row. The factors have the dtype and device of `like`."""
    triangle = like.new_ones(min(T, CHUNK), min(T, CHUNK)).tril()
    for start in range(0, T, CHUNK):
        Q = min(CHUNK, T - start)
        if documents is None:
            yield Chunk(triangle[:Q, :Q], 1.0, 1.0, 1.0)
            continue
        here = documents[:, start : start + Q]
        before = documents[:, max(start - 1, 0), None]
        pairs, entering, leaving = (
            (a == b).to(like.dtype)[:, None, None]
            for a, b in ((here[..., None], here[:, None]), (here, before), (here, here[:, -1:]))
        )
        kept = entering[..., -1:, None]
        yield Chunk(pairs * triangle[:Q, :Q], entering[..., None], leaving[..., None], kept)
