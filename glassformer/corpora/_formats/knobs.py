"""What the user can say about how files are read, as every format gets it."""

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from glassformer.corpora import Document


class Knobs(NamedTuple):
    """The settings of `files` that reach the formats."""

    text_field: str = "text"
    encoding: str = "auto"
    unpacked_bytes: int = 100 * 10**9
    """The most that one compressed file may unpack to."""


Reader = Callable[[BinaryIO, str, Knobs], Iterator[Document]]
"""The documents of an open file of one format, given its origin. Raises Unreadable and OSError."""
