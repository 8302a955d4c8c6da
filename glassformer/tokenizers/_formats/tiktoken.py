"""tiktoken's rank files: one line a token, its bytes in base64 and its rank, which is also its id.

    IQ== 0
    aGVsbG8= 31373

The file holds no merges, but they follow from it: a token was made by merging the two tokens into which its bytes are
encoded with the ranks before its own. tiktoken itself merges any two neighbours whose joined bytes have a rank, the
lowest first. The two are the same if every token can be made by a merge, which `recover` checks.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from glassformer.errors import TokenizerError
from glassformer.system.files import write_atomic
from glassformer.tokenizers import END_OF_TEXT, LARGEST_VOCABULARY, Tokenizer, _file
from glassformer.tokenizers._formats.gpt2 import only_bpe
from glassformer.tokenizers.bpe import BPETokenizer, incremental
from glassformer.tokenizers.bpe.merges import Merge, Pair
from glassformer.tokenizers.bpe.patterns import PATTERNS

LONGEST_TOKEN = 1 << 14  # bytes; the longest in public files is 128 spaces
LARGEST_FILE = 16 << 20  # bytes; o200k_base is below 4 MB
LONG = 256  # bytes; `recover` tries all cuts of shorter tokens


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
    """Known names bring their pattern and special tokens; others need `pattern`, and get <|endoftext|> as the last id."""
    ranks = _ranks(_file.read(path, LARGEST_FILE))
    known = PUBLISHED.get(path.stem) if pattern is None else None
    if pattern is None and known is None:
        raise TokenizerError(
            f"a rank file does not say how text is cut, and '{path.stem:.60}' is not one of {', '.join(PUBLISHED)}: add "
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
            token = binascii.a2b_base64(encoded, strict_mode=True)
            rank = int(rank_text) if len(rank_text) < 10 else LARGEST_VOCABULARY
        except (ValueError, binascii.Error):
            raise TokenizerError(f"line {number} is {line!r:.60}; it must be a token in base64 and its rank") from None
        if not 0 < len(token) <= LONGEST_TOKEN or not 0 <= rank < LARGEST_VOCABULARY:
            raise TokenizerError(
                f"line {number} has a token of {len(token)} bytes and the rank {rank_text:.20}; the most are "
                f"{LONGEST_TOKEN} bytes and rank {LARGEST_VOCABULARY - 1}"
            )
        if token in ranks or rank in taken:
            raise TokenizerError(f"line {number} repeats a token or a rank")
        ranks[token] = rank
        taken.add(rank)
    return ranks


def plain_recover(ranks: Mapping[bytes, int]) -> list[Merge]:
    """The merge that made each token, in the order of ranks: encode the token with the merges known so far.

    Raises TokenizerError for a token that is not encoded as two tokens, which no merge can have made.
    """
    merges: list[Merge] = []
    symbol_of: dict[Pair, int] = {}
    tokens = [bytes([value]) for value in range(256)]
    for token in _in_order(ranks):
        parts = incremental.encode(token, symbol_of)
        if len(parts) != 2:
            raise _unmade(token)
        symbol_of[parts[0], parts[1]] = len(tokens)
        merges.append((tokens[parts[0]], tokens[parts[1]]))
        tokens.append(token)
    return merges


def recover(ranks: Mapping[bytes, int]) -> list[Merge]:
    """What `plain_recover` gives, faster: look for the one cut whose two sides are tokens that encoding keeps apart.

    The time for a long token would be quadratic, so those are encoded as in `plain_recover`.
    """
    merges: list[Merge] = []
    symbols = {bytes([value]): value for value in range(256)}
    symbol_of: dict[Pair, int] = {}
    tokens = [bytes([value]) for value in range(256)]
    left_of, right_of = list(range(256)), list(range(256))
    for symbol, token in enumerate(_in_order(ranks), start=256):
        if len(token) > LONG:
            parts = incremental.encode(token, symbol_of)
            if len(parts) != 2:
                raise _unmade(token)
            left, right = parts
        else:
            for cut in range(len(token) - 1, 0, -1):
                if (left := symbols.get(token[:cut])) is None or (right := symbols.get(token[cut:])) is None:
                    continue
                if _stay_apart(left, right, symbol_of, left_of, right_of):
                    break
            else:
                raise _unmade(token)
        symbol_of[left, right] = symbols[token] = symbol
        merges.append((tokens[left], tokens[right]))
        tokens.append(token)
        left_of.append(left)
        right_of.append(right)
    return merges


def _stay_apart(
    left: int, right: int, symbol_of: Mapping[Pair, int], left_of: Sequence[int], right_of: Sequence[int]
) -> bool:
    """Whether encoding the bytes of two symbols, one after the other, gives these two symbols.

    Undo the merges inside the two, the latest first, and look at the two symbols that touch at the border between them.
    If a merge of those was learnt before the merge inside that was undone last, it would have joined them across the
    border first. (GitHub's `bpe` crate, 2024, checks in this way whether two tokens can be neighbours.)
    """
    while True:
        if left > right:
            if left < 256:
                return True
            undone, left = left, right_of[left]
        else:
            if right < 256:
                return True
            undone, right = right + 1, left_of[right]  # + 1: of equal merges the one to the left goes first
        if symbol_of.get((left, right), undone) < undone:
            return False


def _in_order(ranks: Mapping[bytes, int]) -> list[bytes]:
    """The tokens of several bytes, by rank. Raises TokenizerError if a single byte is missing."""
    for value in range(256):
        if bytes([value]) not in ranks:
            raise TokenizerError(f"the byte {value} has no rank")
    return sorted((token for token in ranks if len(token) > 1), key=ranks.__getitem__)


def _unmade(token: bytes) -> TokenizerError:
    return TokenizerError(f"the token {token!r:.60} is made by no merge of tokens with lower ranks")


def write(tokenizer: Tokenizer, path: Path) -> None:
    """Write the tokens with their ids as ranks, without the pattern and the special tokens. Raises TokenizerError."""
    bpe = only_bpe(tokenizer, "a rank file")
    ranks = {piece: id for id, piece in enumerate(bpe.token_bytes) if piece}
    if bpe.ids[256:] != sorted(bpe.ids[256:]) or recover(ranks) != bpe.merges:
        raise TokenizerError(
            "a rank file needs the merges in the order of their ids, and this tokenizer has another order: write "
            "tokenizer.json"
        )
    if max(map(len, ranks)) > LONGEST_TOKEN:
        raise TokenizerError(
            f"it has a token of more than {LONGEST_TOKEN} bytes, the most that is read again: write tokenizer.json"
        )
    lines = (f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks.items())
    write_atomic(path, "".join(lines))
