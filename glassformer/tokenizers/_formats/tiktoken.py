"""tiktoken's rank files: one line a token, its bytes in base64 and its rank, which is also its id.

    IQ== 0
    aGVsbG8= 31373

Merges are not in it, and need not be: a token was made by merging the two tokens that its bytes fall into under the
ranks before it. tiktoken itself merges any two neighbours whose joined bytes have a rank, the lowest first; where every
token falls into two, that is the same thing.
"""

import base64
import binascii
from pathlib import Path
from typing import NamedTuple

from glassformer.errors import TokenizerError
from glassformer.system.files import write_atomic
from glassformer.tokenizers import END_OF_TEXT, LARGEST_VOCABULARY, Tokenizer, _file
from glassformer.tokenizers._formats.gpt2 import only_bpe
from glassformer.tokenizers.bpe import BPETokenizer
from glassformer.tokenizers.bpe.merge import Merge, Pair, apply
from glassformer.tokenizers.bpe.patterns import PATTERNS

LONGEST_TOKEN = 1024  # bytes; the longest in public files is 128 spaces
LARGEST_FILE = 16 << 20  # bytes; o200k_base is below 4 MB


class Published(NamedTuple):
    """What tiktoken's own code knows about a file of this name."""

    pattern: str
    special: dict[str, int]


_fim = {"<|fim_prefix|>": 100258, "<|fim_middle|>": 100259, "<|fim_suffix|>": 100260}
PUBLISHED = {
    "gpt2": Published("gpt2", {END_OF_TEXT: 50256}),
    "r50k_base": Published("gpt2", {END_OF_TEXT: 50256}),
    "p50k_base": Published("gpt2", {END_OF_TEXT: 50256}),
    "cl100k_base": Published("gpt4", {END_OF_TEXT: 100257, **_fim, "<|endofprompt|>": 100276}),
    "o200k_base": Published("o200k", {END_OF_TEXT: 199999, "<|endofprompt|>": 200018}),
}


def read(path: Path, pattern: str | None) -> BPETokenizer:
    """Known names bring their pattern and special tokens; others need `pattern` and get <|endoftext|> at the end."""
    ranks = _ranks(_file.read(path, LARGEST_FILE))
    known = PUBLISHED.get(path.stem) if pattern is None else None
    if pattern is None and known is None:
        raise TokenizerError(
            f"a rank file does not say how text is cut, and '{path.stem:.60}' is none of {', '.join(PUBLISHED)}: add "
            f"--pattern with {', '.join(PATTERNS)} or a regular expression"
        )
    pattern, special = known or Published(str(pattern), {END_OF_TEXT: 1 + max(ranks.values(), default=0)})
    merges = recover(ranks)
    ids = [*(ranks[bytes([value])] for value in range(256)), *(ranks[left + right] for left, right in merges)]
    return BPETokenizer(merges, pattern, special, ids)


def _ranks(text: str) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    taken: set[int] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line:
            continue
        try:
            encoded, rank_text = line.split(" ")
            token = base64.b64decode(encoded, validate=True)
            rank = int(rank_text) if len(rank_text) < 10 else LARGEST_VOCABULARY
        except (ValueError, binascii.Error):
            raise TokenizerError(f"line {number} is {line!r:.60}, and not a token in base64 and its rank") from None
        if not 0 < len(token) <= LONGEST_TOKEN or not 0 <= rank < LARGEST_VOCABULARY:
            raise TokenizerError(
                f"line {number} has a token of {len(token)} bytes or the rank {rank_text:.20}: too much"
            )
        if token in ranks or rank in taken:
            raise TokenizerError(f"line {number} repeats a token or a rank")
        ranks[token] = rank
        taken.add(rank)
    return ranks


def recover(ranks: dict[bytes, int]) -> list[Merge]:
    """The merge that made each token, in the order of ranks. Raises TokenizerError where no merge can have."""
    for value in range(256):
        if bytes([value]) not in ranks:
            raise TokenizerError(f"the byte {value} has no rank")
    merges: list[Merge] = []
    symbol_of: dict[Pair, int] = {}
    tokens = [bytes([value]) for value in range(256)]
    for token in sorted((token for token in ranks if len(token) > 1), key=ranks.__getitem__):
        parts = apply(token, symbol_of)
        if len(parts) != 2:
            raise TokenizerError(f"the token {token!r:.60} is made by no merge of tokens with lower ranks")
        symbol_of[parts[0], parts[1]] = len(tokens)
        merges.append((tokens[parts[0]], tokens[parts[1]]))
        tokens.append(token)
    return merges


def write(tokenizer: Tokenizer, path: Path) -> None:
    """The bytes, ids as ranks; the pattern and the special tokens stay behind. Raises TokenizerError."""
    bpe = only_bpe(tokenizer, "a rank file")
    ranks = {piece: id for id, piece in enumerate(bpe.token_bytes) if piece}
    if bpe.ids[256:] != sorted(bpe.ids[256:]) or recover(ranks) != bpe.merges:
        raise TokenizerError(
            "its merges are not in the order of its ids, which a rank file needs: write tokenizer.json"
        )
    lines = (f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks.items())
    write_atomic(path, "".join(lines))
