"""Splits in memory whose every id tells where it stands."""

import numpy as np

from glassformer.data.shards import Split, Tokens

SEPARATOR = 0


def split_of(lengths: list[int], sources: list[int] | None = None, shard_tokens: int = 700) -> Split:
    """A split of documents with that many tokens each: a separator first, and then ids that are their own places."""
    documents = np.cumsum([0, *lengths])
    ids = np.arange(documents[-1])
    ids[documents[:-1]] = SEPARATOR
    shards = [ids[i : i + shard_tokens] for i in range(0, len(ids), shard_tokens)]
    tokens = Tokens(shards, shard_tokens, len(ids) + 1, "a test")
    owners = np.array(sources or [0] * len(lengths), np.uint8)
    return Split("train", tokens, documents, owners, SEPARATOR)
