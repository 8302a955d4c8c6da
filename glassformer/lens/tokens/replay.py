"""BPE's merges one after another: how a text's bytes become its tokens.

Encoding joins the pair that was learnt first, everywhere, again and again. The two parts of a merge were always learnt
before it, so this is the same as going through the list of merges once, in order. `replay` yields those that find
something to join. After the merges numbered up to k, the text stands as `encode_first(tokenizer, text, k)` gives it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from glassformer.errors import TokenizerError
from glassformer.lens.tokens import Named
from glassformer.tokenizers import well_formed
from glassformer.tokenizers.bpe import BPETokenizer, merge
from glassformer.tokenizers.bpe.patterns import Splitter

LONGEST = 20_000
"""Bytes of a text that is replayed."""


class Step(NamedTuple):
    """What one merge does to a text."""

    number: int
    """1 for the first merge of the vocabulary; 0 for the start, when nothing is merged."""
    left: bytes
    right: bytes
    joined: int
    """In how many places."""
    tokens: list[bytes]
    """The whole text after it."""


def replay(tokenizer: BPETokenizer, text: str) -> Iterator[Step]:
    """The start, and then each merge that joins something in this text, in the order learnt."""
    rank = {pair: number for number, pair in enumerate(tokenizer.merges, start=1)}
    pieces = [[bytes([value]) for value in piece.encode()] for piece in Splitter(tokenizer.pattern)(well_formed(text))]
    yield Step(0, b"", b"", 0, [token for piece in pieces for token in piece])
    while found := {pair for piece in pieces for pair in zip(piece, piece[1:]) if pair in rank}:
        left, right = best = min(found, key=rank.__getitem__)
        before = sum(map(len, pieces))
        pieces = [merge(piece, best) for piece in pieces]
        tokens = [token for piece in pieces for token in piece]
        yield Step(rank[best], left, right, before - len(tokens), tokens)


def steps(named: Named, text: str) -> list[Step]:
    """All steps of a replay. Raises TokenizerError for a tokenizer without merges, or a text too long to watch."""
    tokenizer, n_bytes = named.tokenizer, len(text.encode())
    if not isinstance(tokenizer, BPETokenizer):
        raise TokenizerError(f"{named.label} is a {tokenizer.name} tokenizer, and only bpe has merges to replay")
    if n_bytes > LONGEST:
        raise TokenizerError(
            f"the text has {n_bytes:,} bytes, and a replay takes at most {LONGEST:,}: give a part of it"
        )
    return list(replay(tokenizer, text))


def encode_first(tokenizer: BPETokenizer, text: str, max_merges: int) -> list[int]:
    """The ids of a text when only the first `max_merges` merges have been learnt."""
    kept = max(0, max_merges)
    young = BPETokenizer(tokenizer.merges[:kept], tokenizer.pattern, tokenizer.special, tokenizer.ids[: 256 + kept])
    return young.encode(text)
