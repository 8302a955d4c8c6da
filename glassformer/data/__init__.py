"""From documents to batches: clean, split, tokenize, store, sample.

Read in this order: `clean` (one function a step, and its report), `prepare` (corpus in, dataset folder out), `shards`
(that folder: memory-mapped ids), `batches` (windows of ids as tensors; the only file here that imports torch). `index`,
`holdout` and `spool` are parts of the first two. `ngram` is the yardstick: how well counting alone predicts.
"""

from pydantic import Field, field_validator

from glassformer.config import Config, suggestion
from glassformer.data import clean


class DataConfig(Config):
    """How documents become a dataset."""

    steps: tuple[str, ...] = ("newlines", "control_characters", "unicode", "blank_lines")
    """Cleaning steps, in order; the functions of data/clean.py. Blank documents and exact repetitions always go."""
    validation_fraction: float = Field(default=0.1, gt=0, le=0.5)
    """Share of the documents (of the text, when there are few) held out, if the corpus does not say which."""
    tokenizer_megabytes: float = Field(default=16.0, gt=0)
    """Train the tokenizer on at most this much of the training text, taken evenly (millions of bytes)."""
    shard_tokens: int = Field(default=2**26, ge=1)
    """Tokens in one file of the dataset."""

    @field_validator("steps")
    @classmethod
    def _known_steps(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        for step in steps:
            if step not in clean.STEPS:
                raise ValueError(f"there is no cleaning step '{step}'; {suggestion(step, list(clean.STEPS))}")
        return steps
