"""Looking at tokens: `glass tokenize`. Each file is one view; all take a `Named` tokenizer and a console.

`find` turns what a person writes into a tokenizer, `view` shows a text cut into tokens, `replay` shows the merges one
after another, `compare` puts tokenizers side by side, `vocabulary` says what a vocabulary is good for.
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
    """In words: `newest run`, `trained just now on 1 MB of village`."""
    checkpoint: Path | None = None
    """The checkpoint it was found in, if its model is there too."""
