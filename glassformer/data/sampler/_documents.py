"""What the samplers of whole documents share: a piece of a document as ids and targets."""

import numpy as np

from glassformer.data.shards import Split
from glassformer.kernels.cross_entropy import IGNORED


def read(split: Split, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """The ids from `start` to `stop` and the ids that follow each.

    The split's separator follows its last document, as it follows all others; without a separator nothing does, IGNORED.
    """
    ids = split.tokens[start : stop + 1]
    if stop == len(split):
        ids = np.append(ids.astype(np.int64), IGNORED if split.separator is None else split.separator)
    return ids[:-1], ids[1:]
