"""The user's settings for reading files, as every reader gets them."""

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from glassformer.corpora import Document


class Knobs(NamedTuple):
    """The settings of `Files` that readers need."""

    text_field: str = "text"
    encoding: str = "auto"
    unpacked_bytes: int = 100 * 10**9
    """How many bytes one compressed file may unpack to, at most."""


Reader = Callable[[BinaryIO, str, Knobs], Iterator[Document]]
"""A reader of one format: (open file, origin, settings) -> documents. Raises Unreadable and OSError."""
