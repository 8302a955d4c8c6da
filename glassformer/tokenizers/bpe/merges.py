"""The list of merges, which is all that a BPE tokenizer has learnt: replayed into tokens, and written as lines of text.

`replay` turns merges into *symbols*, the small integers that the fast path works on: a byte is its value, and the
result of merge number k (from 0) is 256 + k.

A merge is written as GPT-2 writes it (Radford et al. 2019): two words with a space between, `Ġ t`. Each of the 256
bytes has a printable character. Printable Latin-1 characters stand for themselves; the other 68 bytes (control
characters, the space, ...) take the characters from U+0100 on, so a space shows as `Ġ` and a line break as `Ċ`.
"""

from collections.abc import Iterable, Sequence

from glassformer.errors import TokenizerError

Merge = tuple[bytes, bytes]
"""The two neighbouring tokens that are joined, left and right."""
Pair = tuple[int, int]
"""The same two as symbols."""

_printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
_others = [value for value in range(256) if value not in _printable]
CHARACTER_OF = {value: chr(value) for value in _printable} | {value: chr(256 + i) for i, value in enumerate(_others)}
BYTE_OF = {character: value for value, character in CHARACTER_OF.items()}


def replay(merges: Sequence[Merge]) -> tuple[list[bytes], dict[Pair, int]]:
    """(the bytes of every symbol, the symbol that each pair of symbols is merged into).

    Raises TokenizerError for a merge of tokens that do not exist yet, or one whose result exists already.
    """
    tokens = [bytes([value]) for value in range(256)]
    symbols = {token: symbol for symbol, token in enumerate(tokens)}
    symbol_of: dict[Pair, int] = {}
    for symbol, (left, right) in enumerate(merges, start=256):
        try:
            pair = symbols[left], symbols[right]
        except KeyError as error:
            part = error.args[0]
            raise TokenizerError(f"merge {symbol - 255} joins {part!r:.80}, which no earlier merge has made") from None
        token = left + right
        if token in symbols:
            raise TokenizerError(f"merge {symbol - 255} makes {token!r:.80}, which is already a token")
        symbol_of[pair] = symbols[token] = symbol
        tokens.append(token)
    return tokens, symbol_of


def show(token: bytes) -> str:
    """`b" the"` -> `"Ġthe"`."""
    return token.decode("latin-1").translate(CHARACTER_OF)


def unshow(text: str) -> bytes:
    """`"Ġthe"` -> `b" the"`. Raises KeyError for a character that stands for no byte."""
    return bytes(map(BYTE_OF.__getitem__, text))


def write_merges(merges: Iterable[Merge]) -> list[str]:
    """One line per merge, as in GPT-2's `merges.txt`."""
    return [f"{show(left)} {show(right)}" for left, right in merges]


def read_merges(lines: Iterable[str]) -> list[Merge]:
    """The inverse of `write_merges`. Raises TokenizerError."""
    merges: list[Merge] = []
    for number, line in enumerate(lines, start=1):
        try:
            left, right = map(unshow, line.split(" "))
        except (KeyError, ValueError):
            raise TokenizerError(
                f"merge {number} is {line!r:.80}; it must be two tokens with one space between them"
            ) from None
        if not left or not right:
            raise TokenizerError(f"merge {number} joins an empty token")
        merges.append((left, right))
    return merges
