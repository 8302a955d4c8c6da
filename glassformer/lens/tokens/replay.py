"""BPE's merges one after another: how a text's bytes become its tokens.

Encoding joins the pair that was learnt earliest, everywhere, again and again. Since a merge's parts are always older
than itself, that is the same as going through the list of merges once, in order; `replay` yields the ones that find
something to join. After the merges numbered up to k, the text stands as `encode_first(tokenizer, text, k)` gives it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from glassformer.errors import TokenizerError
from glassformer.lens.tokens import Named
from glassformer.lens.tokens.view import COLOURS, coloured, heading, visible
from glassformer.tokenizers import well_formed
from glassformer.tokenizers.bpe import BPETokenizer
from glassformer.tokenizers.bpe.patterns import Splitter

LONGEST = 20_000
"""Bytes of a text that is replayed."""
SHOWN_WHOLE = 400
"""Bytes up to which the text is shown anew after each merge."""
MOST_STEPS = 200


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
        pieces = [_join(piece, left, right) for piece in pieces]
        tokens = [token for piece in pieces for token in piece]
        yield Step(rank[best], left, right, before - len(tokens), tokens)


def encode_first(tokenizer: BPETokenizer, text: str, max_merges: int) -> list[int]:
    """The ids of a text when only the first `max_merges` merges have been learnt."""
    kept = max(0, max_merges)
    young = BPETokenizer(tokenizer.merges[:kept], tokenizer.pattern, tokenizer.special, tokenizer.ids[: 256 + kept])
    return young.encode(text)


def show(named: Named, text: str, console: Console) -> None:
    """Print every step. Raises TokenizerError for a tokenizer without merges, or a text too long to watch."""
    tokenizer, n_bytes = named.tokenizer, len(text.encode())
    if not isinstance(tokenizer, BPETokenizer):
        raise TokenizerError(f"{named.label} is a {tokenizer.name} tokenizer, and only bpe has merges to replay")
    if n_bytes > LONGEST:
        raise TokenizerError(
            f"the text has {n_bytes:,} bytes, and a replay takes at most {LONGEST:,}: give a part of it"
        )
    steps = list(replay(tokenizer, text))
    console.print(heading(named, len(steps[-1].tokens), n_bytes))
    console.print(f"{len(steps) - 1} of its {len(tokenizer.merges):,} merges find something to join here", style="dim")
    for step in steps[: MOST_STEPS + 1]:
        console.print(_line(step), no_wrap=True, overflow="ellipsis")
        if n_bytes <= SHOWN_WHOLE:
            console.print(coloured(step.tokens, console))
    if len(steps) > MOST_STEPS + 1:
        console.print(f"... and {len(steps) - MOST_STEPS - 1:,} merges more", style="dim")
    if n_bytes > SHOWN_WHOLE:
        console.print("\nat the end:")
        console.print(coloured(steps[-1].tokens, console))


def _line(step: Step) -> Text:
    if not step.number:
        return Text(f"\nbytes: {len(step.tokens):,} tokens", style="bold")
    line = Text(f"\nmerge {step.number}: ", style="bold")
    line.append(visible(step.left), style="not bold " + COLOURS[0]).append(" + ", style="not bold")
    line.append(visible(step.right), style="not bold " + COLOURS[1]).append(" = ", style="not bold")
    line.append(visible(step.left + step.right), style="bold " + COLOURS[2])
    places = "once" if step.joined == 1 else f"{step.joined} times"
    return line.append(f"  {places}, {len(step.tokens):,} tokens left", style="not bold dim")


def _join(piece: list[bytes], left: bytes, right: bytes) -> list[bytes]:
    """The piece with `left` and `right` joined wherever they meet, from left to right."""
    result: list[bytes] = []
    for token in piece:
        if result and token == right and result[-1] == left:
            result[-1] = left + right
        else:
            result.append(token)
    return result
