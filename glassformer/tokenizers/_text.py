"""Text as tokenizers see it: valid Unicode going in, whole characters coming out, and where in it a token stands."""

import codecs
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from glassformer.tokenizers import Tokenizer


def well_formed(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced by U+FFFD; other text comes back as it is."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class TextStream:
    """Decodes ids one by one and never shows half a character: bytes wait until their character is complete.

    >>> stream = tokenizer.stream()
    >>> for id in ids: print(stream.push(id), end="")
    >>> print(stream.flush())
    """

    def __init__(self, tokenizer: "Tokenizer") -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, id: int) -> str:
        """The text that this id completes; empty while a character is incomplete."""
        return self._decoder.decode(self._tokenizer.decode_bytes((id,)))

    def flush(self) -> str:
        """What is left at the end: empty, or U+FFFD for a character that never became complete."""
        return self._decoder.decode(b"", final=True)


def spans(text: str, n_bytes: Sequence[int]) -> list[tuple[int, int]]:
    """For each token its (start, end) in characters, given how many bytes of the text's UTF-8 each token covers.

    >>> spans("a猫b", [1, 2, 1, 1])
    [(0, 1), (1, 2), (1, 2), (2, 3)]
    """
    begins = (np.frombuffer(text.encode(), np.uint8) & 0xC0) != 0x80  # all bytes of a character but its first are 10xxxxxx
    character = np.append(np.cumsum(begins) - 1, len(text))  # that each byte belongs to
    sizes = np.asarray(n_bytes, np.int64)
    ends = np.cumsum(sizes)
    starts = character[ends - sizes]
    return list(zip(starts.tolist(), np.where(sizes > 0, character[ends - 1] + 1, starts).tolist()))
