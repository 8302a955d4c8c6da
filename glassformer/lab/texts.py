"""What writers pay for every token of some texts. Each text is read from its beginning, by itself."""

from collections.abc import Sequence

import numpy as np
import torch

from glassformer.data.batches import Batch
from glassformer.data.ngram import NGram
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT
from glassformer.train.evaluate import NEXT_TOKEN

ROWS = 16
"""Texts that a model reads at once."""


@torch.no_grad()
def nats_by_model(texts: Sequence[np.ndarray], model: GPT) -> list[np.ndarray]:
    """texts: (n,) int64 each, beginning with the end of the text before -> (n - 1,) nats: nothing predicts the first."""
    nats: list[np.ndarray] = []
    for first in range(0, len(texts), ROWS):
        some = texts[first : first + ROWS]
        rows = np.full((len(some), max(map(len, some))), IGNORED, np.int64)
        for row, ids in zip(rows, some):
            row[: len(ids)] = ids
        found = NEXT_TOKEN.nats(model, Batch.of(rows).to(model.device)).double().cpu().numpy()
        nats += [row[: len(ids) - 1] for row, ids in zip(found, some)]
    return nats


def nats_by_ngrams(texts: Sequence[np.ndarray], ngram: NGram) -> list[list[np.ndarray]]:
    """The same of the 1-gram, the 2-gram ... They read the texts one after another, as they read their training text."""
    if not texts:
        return [[] for _ in range(ngram.order)]
    bounds = np.cumsum([0, *map(len, texts)]).tolist()
    return [
        [nats[a + 1 : b] for a, b in zip(bounds, bounds[1:])] for nats in ngram.nats_of_orders(np.concatenate(texts))
    ]
