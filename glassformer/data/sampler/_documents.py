"""What the samplers of whole documents share: a piece of a document as ids and targets."""

import numpy as np

from glassformer.data.shards import Split


def read(split: Split, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """The ids from `start` to `stop` and those that follow each. A separator follows every document, also the last."""
    ids = split.tokens[start : stop + 1]
    if stop == len(split):
        ids = np.append(ids, split.tokens[:1])
    return ids[:-1], ids[1:]
