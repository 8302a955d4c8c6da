"""Special tokens in a text: which ones become their ids, and what happens to the others.

| call | `<|user|>` in the text |
|---|---|
| `encode(text)` | is ordinary text, encoded letter by letter |
| `encode(text, allow_special=True)` | becomes its id, like every other special token |
| `encode(text, allow_special={"<|user|>"})` | becomes its id, and all others are ordinary text |
| `encode(text, disallowed="raise")` | is refused, like every special token that is not allowed |

tiktoken has the same choices as `allowed_special` and `disallowed_special`; there, refusing is the default.
"""

import functools
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Literal

import numpy as np
import regex

from glassformer.config import suggestion
from glassformer.errors import TokenizerError

Disallowed = Literal["text", "raise"]
"""What becomes of a special token that is in a text and not allowed there: ordinary text, or a TokenizerError."""


def cutter(
    special: Mapping[str, int], allow_special: bool | Collection[str], disallowed: Disallowed
) -> Callable[[str], list[str]]:
    """A function that cuts a text at the allowed special tokens: [text, special token, text, ..., text].

    At each place the longest allowed one is taken. Raises TokenizerError for an allowed name that is no special token;
    the function raises it for a text that holds a special token that is to be refused.
    """
    if disallowed not in ("text", "raise"):
        raise TokenizerError(f'disallowed must be "text" or "raise", and it is {disallowed!r:.40}')
    if isinstance(allow_special, str):
        raise TokenizerError(f"allow_special must be True, False or a set of names: write {{{allow_special!r:.40}}}")
    if isinstance(allow_special, bool):
        allow_special = special if allow_special else ()
    for name in allow_special:
        if name not in special:
            raise TokenizerError(f"there is no special token {name!r:.80}; {suggestion(str(name)[:80], list(special))}")
    allowed = frozenset(allow_special)
    refused = special.keys() - allowed if disallowed == "raise" else frozenset()

    def cut(text: str) -> list[str]:
        if refused and (found := _finder(frozenset(refused)).search(text)):
            raise TokenizerError(
                f"the text contains the special token {found.group():.80} (character {found.start()}): remove it, or "
                "allow it with allow_special"
            )
        return _finder(allowed).split(text) if allowed else [text]

    return cut


def encode_between(
    texts: Iterable[list[str]],
    encode_many: Callable[[Iterator[str]], Iterator[np.ndarray]],
    special: Mapping[str, int],
) -> Iterator[np.ndarray]:
    """The ids of texts that a `cutter` has cut; what lies between the special tokens goes through one `encode_many`."""
    begun: deque[list[str]] = deque()

    def ordinary() -> Iterator[str]:
        for parts in texts:
            begun.append(parts)
            yield from parts[::2]

    arrays = encode_many(ordinary())
    for first in arrays:
        ids = [first]
        for name in begun.popleft()[1::2]:
            ids += [np.array([special[name]], first.dtype), next(arrays)]
        yield np.concatenate(ids)


@functools.lru_cache(maxsize=64)
def _finder(names: frozenset[str]) -> regex.Pattern:
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    return regex.compile("(" + "|".join(map(regex.escape, longest_first)) + ")")
