"""Tokenizers side by side on one text: how many tokens, how many bytes in each, and how well a model predicts them.

Bits per byte does not depend on how text is cut, so it compares runs with different tokenizers. A text that a model has
learned by heart costs few bits; take one that none of them has seen.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from glassformer.errors import TokenizerError
from glassformer.lens.tokens import Named

JUDGED = 50_000
"""Characters of a long text that a model reads for its bits per byte."""


class Row(NamedTuple):
    """What one tokenizer makes of the text."""

    named: Named
    n_bytes: int
    """Bytes of the text."""
    ids: list[int] | None
    """None if the tokenizer refuses the text."""
    refusal: str
    """Why it does; empty if it does not."""
    comes_back: bool
    """Whether decoding the ids gives the text."""
    bits_per_byte: float | None
    """Of the model in the tokenizer's checkpoint; None where there is no model, or the text does not come back."""

    @property
    def bytes_per_token(self) -> float:
        """How much text a token holds on average."""
        return self.n_bytes / max(1, len(self.ids or ()))


def rows(all_named: Sequence[Named], text: str) -> list[Row]:
    """One row per tokenizer. Raises TokenizerError for an empty text, GlassError for a damaged checkpoint."""
    if not text:
        raise TokenizerError("there is no text to compare on: give at least one character")
    return [_row(named, text) for named in all_named]


def _row(named: Named, text: str) -> Row:
    n_bytes = len(text.encode())
    try:
        ids = named.tokenizer.encode(text)
    except TokenizerError as error:
        return Row(named, n_bytes, None, str(error), False, None)
    comes_back = named.tokenizer.covers(text)
    bits = bits_per_byte(named.checkpoint, text) if named.checkpoint and comes_back else None
    return Row(named, n_bytes, ids, "", comes_back, bits)


def bits_per_byte(checkpoint_folder: Path, text: str) -> float:
    """How many bits a byte of this text costs the model, read from its start in windows of the model's context.

    Of a long text only the first JUDGED characters are read. Without an end-of-text token there is nothing to predict
    the first token from, and it costs nothing.
    """
    import torch

    from glassformer.runs import checkpoint

    text, saved = text[:JUDGED], checkpoint.load(checkpoint_folder, checkpoint.best)
    model, tokenizer = saved.model(), saved.tokenizer()
    start_of_text = [] if tokenizer.end_of_text is None else [tokenizer.end_of_text]
    ids = torch.tensor([[*start_of_text, *tokenizer.encode(text)]])
    length, nats = model.config.context_length, 0.0
    with torch.no_grad():
        for start in range(0, ids.shape[1] - 1, length):
            window = ids[:, start : start + length + 1]
            nats += model(window[:, :-1], targets=window[:, 1:]).double().sum().item()
    return nats / math.log(2) / len(text.encode())
