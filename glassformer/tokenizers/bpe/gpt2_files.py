"""GPT-2's two files, and its way of writing bytes: each of the 256 bytes has a printable character.

Printable Latin-1 characters stand for themselves; the other 68 bytes (controls, space, ...) borrow the characters from
U+0100 on, so a space shows as `Ġ` and a line break as `Ċ` (Radford et al. 2019). Written so, a merge is two words with
a space between, `Ġ t`, safe in any text file; our own tokenizer file uses the same lines.
"""

from collections.abc import Iterable
from pathlib import Path

from glassformer.errors import TokenizerError
from glassformer.tokenizers import _file
from glassformer.tokenizers.bpe.merge import Merge

_printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
_others = [value for value in range(256) if value not in _printable]
CHARACTER_OF = {value: chr(value) for value in _printable} | {value: chr(256 + i) for i, value in enumerate(_others)}
BYTE_OF = {character: value for value, character in CHARACTER_OF.items()}


def show(token: bytes) -> str:
    """`b" the"` -> `"Ġthe"`."""
    return "".join(map(CHARACTER_OF.__getitem__, token))


def unshow(text: str) -> bytes:
    """`"Ġthe"` -> `b" the"`. Raises KeyError for a character that stands for no byte."""
    return bytes(map(BYTE_OF.__getitem__, text))


def write_merges(merges: Iterable[Merge]) -> list[str]:
    """One line a merge, as in `merges.txt`."""
    return [f"{show(left)} {show(right)}" for left, right in merges]


def read_merges(lines: Iterable[str]) -> list[Merge]:
    """The inverse of `write_merges`. Raises TokenizerError."""
    merges: list[Merge] = []
    for number, line in enumerate(lines, start=1):
        try:
            left, right = map(unshow, line.split(" "))
        except (KeyError, ValueError):
            raise TokenizerError(f"merge {number} is {line!r:.80}, and not two tokens with a space between") from None
        if not left or not right:
            raise TokenizerError(f"merge {number} joins an empty token")
        merges.append((left, right))
    return merges


def read_files(
    vocab_json: str | Path, merges_txt: str | Path, *added_json: str | Path
) -> tuple[list[Merge], list[int], dict[str, int]]:
    """(merges, the id of each byte and then of each merge, special tokens). Raises TokenizerError.

    A file of added tokens, which some models have, is like a second part of the vocabulary.

    What the vocabulary holds beyond bytes and merges is special, `<|endoftext|>` first of all.
    """
    lines = [line.rstrip("\r") for line in _file.read(merges_txt).split("\n")]
    if lines[0].startswith("#version"):  # only there: `#version` may be a token of a vocabulary of code
        del lines[0]
    merges = read_merges(filter(None, lines))
    vocabulary: dict[str, int] = {}
    for path in (vocab_json, *added_json):
        part = _file.parse(_file.read(path))
        if not isinstance(part, dict) or not _file.integers(list(part.values())):
            raise TokenizerError("the vocabulary must give an integer id for each token")
        vocabulary |= part
    names = [*map(show, (bytes([value]) for value in range(256))), *(show(left + right) for left, right in merges)]
    for name in names:
        if name not in vocabulary:
            raise TokenizerError(f"the vocabulary has no {name!r:.80}")
    ids = [vocabulary[name] for name in names]
    made = set(names)
    return merges, ids, {name: id for name, id in vocabulary.items() if name not in made}
