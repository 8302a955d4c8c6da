"""Datasets written id by id, so that a test can plant anything in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from glassformer.data.index import Index
from glassformer.data.prepare.writer import SplitWriter
from glassformer.data.shards import Dataset
from glassformer.tokenizers import Tokenizer, TokenizerRecipe

BYTE = TokenizerRecipe.named("byte").train([])


def plant(
    folder: Path, train: Sequence, validation: Sequence, tokenizer: Tokenizer = BYTE, shard_tokens: int = 997,
    sources: Sequence[int] = (),
) -> Dataset:  # fmt: skip
    """A dataset of these documents, each an array of ids or a text. `sources`: of train; validation has the first."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(folder / "tokenizer.json")
    parts, n = {}, max(sources, default=0) + 1
    for name, documents in (("train", train), ("validation", validation)):
        writer = SplitWriter(folder, name, tokenizer.dtype, tokenizer.end_of_text, shard_tokens, n)
        for i, document in enumerate(documents):
            ids = tokenizer.encode(document) if isinstance(document, str) else document
            writer.append(np.asarray(ids, tokenizer.dtype), len(ids), sources[i] if sources and name == "train" else 0)
        parts[name] = writer.close()
    index = Index(
        fingerprint="0" * 64, source={"name": "planted"}, sources=tuple(f"source {i}" for i in range(n)),
        weights=(1 / n,) * n, split_rule="as planted",
        tokenizer=tokenizer.fingerprint(), tokenizer_text="none", vocab_size=tokenizer.vocab_size,
        dtype=tokenizer.dtype.newbyteorder("<").str, shard_tokens=shard_tokens, cleaning=(), skipped=(), **parts,
    )  # fmt: skip
    index.save(folder / "index.json")
    return Dataset.open(folder)


def noise(rng: np.random.Generator, *lengths: int) -> list[np.ndarray]:
    """Documents of random bytes: no two have thirteen in a row in common."""
    return [rng.integers(0, 256, length) for length in lengths]
