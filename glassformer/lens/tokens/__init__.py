"""Looking at tokens: what `glass tokenize` shows.

`find` turns what a person writes into a tokenizer and a text. `cut` divides a text into tokens, `replay` goes through
the merges one by one, `compare` measures tokenizers on one text, and `vocabulary` counts which tokens a source uses.
Those return data; `terminal` prints it, in the colours of `colours`.
"""

from pathlib import Path
from typing import NamedTuple

from glassformer.tokenizers import Tokenizer


class Named(NamedTuple):
    """A tokenizer and where it comes from."""

    label: str
    """What the person called it."""
    tokenizer: Tokenizer
    origin: str
    """In words: `the newest run`, `trained just now on 1 MB of village`."""
    checkpoint: Path | None = None
    """The checkpoint it was found in, if its model is there too."""
