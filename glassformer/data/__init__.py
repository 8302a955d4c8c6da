"""From documents to batches: clean, split, tokenize, store, sample.

Read in this order: `clean` (one function a step, and its report), `prepare` (corpus in, dataset folder out), `shards`
(that folder: memory-mapped ids), `batches` (ids as tensors; the only file here that imports torch), `sampler` (which
ids, in what rows). `index`, `holdout` and `spool` are parts of the first two, `shuffle` and `mixture` of the samplers;
`curriculum` shortens rows, `loader` builds them ahead of time. `ngram` is the yardstick: how well counting alone predicts.
"""

from pydantic import Field

from glassformer.config import Config
from glassformer.data.clean import CleanConfig


class DataConfig(Config):
    """How documents become a dataset."""

    clean: CleanConfig = CleanConfig()
    """What is mended in a text, and which documents are dropped."""
    near_duplicates: float = Field(default=0.0, ge=0, le=1)
    """Drop a document that shares at least this part of its runs of five words with an earlier one; 0 is off."""
    validation_fraction: float = Field(default=0.1, gt=0, le=0.5)
    """Share of the documents (of the text, when there are few) held out, if the corpus does not say which."""
    tokenizer_megabytes: float = Field(default=16.0, gt=0)
    """Train the tokenizer on at most this much of the training text, taken evenly (millions of bytes)."""
    shard_tokens: int = Field(default=2**26, ge=1)
    """Tokens in one file of the dataset."""
