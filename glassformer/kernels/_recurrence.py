"""What the recurrent formulas share: sums kept wide, and a sequence read in chunks with documents kept apart."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 64
"""Within so many tokens all pairs are compared at once; from chunk to chunk a state carries what was."""


def wide(t: Tensor) -> Tensor:
    """The same numbers in float32, or in float64 if that is what they are."""
    return t if t.dtype == torch.float64 else t.float()


def unnarrowed(device: torch.device) -> contextlib.AbstractContextManager:
    """A block in which autocast leaves matrix products alone ("meta" knows no autocast)."""
    known = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if known else contextlib.nullcontext()


def first_tokens(documents: Tensor | None) -> Tensor | None:
    """documents (B, T) -> (B, T) booleans: where another document starts than the one before."""
    if documents is None:
        return None
    first = torch.zeros_like(documents, dtype=torch.bool)
    first[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return first


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
