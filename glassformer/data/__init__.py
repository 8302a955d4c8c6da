"""From documents to batches: clean, split, tokenize, store, sample.

Read in this order: `clean` (one function per step, and a report), `prepare` (from a corpus to a dataset folder),
`shards` (that folder: memory-mapped ids), `batches` (ids as tensors; the only file here that imports torch), `sampler`
(which ids go into which batch). `index` describes a dataset; `shuffle` and `mixture` serve the samplers; `pace` says how
far a run is at each step; early in training `curriculum` shortens rows and `growth` makes batches smaller; `loader`
builds batches ahead of time. `nanogpt` imports and exports nanoGPT's files. `ngram` shows how well counting alone predicts
a text, the number to compare every model with.
"""

from pydantic import Field

from glassformer.config import Config
from glassformer.data.clean import CleanConfig


class DataConfig(Config):
    """How documents become a dataset."""

    clean: CleanConfig = CleanConfig()
    """How texts are cleaned, and which documents are dropped."""
    near_duplicates: float = Field(default=0.0, ge=0, le=1)
    """Drop a document whose similarity to an earlier one is at least this (the share of their runs of five words that
    they have in common); 0 is off."""
    validation_fraction: float = Field(default=0.1, gt=0, le=0.5)
    """Share of the documents held out for validation, unless the corpus says which ones. With fewer than 20 documents
    it is the share of each document's text, from its end."""
    tokenizer_megabytes: float = Field(default=16.0, gt=0)
    """Train the tokenizer on at most this many megabytes of training text, evenly spread over it."""
    shard_tokens: int = Field(default=2**26, ge=1)
    """How many tokens one file of the dataset holds."""
