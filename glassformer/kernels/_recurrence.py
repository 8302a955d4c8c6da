"""What the recurrent formulas share: a sequence is read in chunks, and packed documents are kept apart."""

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

CHUNK = 64
"""Within so many tokens all pairs are compared at once; from chunk to chunk a state carries what was."""


class Chunk(NamedTuple):
    """Of Q tokens: factors of 1 and 0 that broadcast to (B, G, H/G, ...): who may learn from whom."""

    pairs: Tensor
    """(Q, Q), or (B, 1, 1, Q, Q) with documents: a later token reads an earlier one, and itself."""
    entering: Tensor | float
    """(B, 1, 1, Q, 1): the token reads the state from before the chunk."""
    leaving: Tensor | float
    """(B, 1, 1, Q, 1): the token is in the state after the chunk."""
    kept: Tensor | float
    """(B, 1, 1, 1, 1): the state from before the chunk is in the state after it."""


def chunks(T: int, documents: Tensor | None, like: Tensor) -> Iterator[Chunk]:
    """T tokens in steps of CHUNK; documents (B, T) never fall along a row; factors get the dtype of `like`."""
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
