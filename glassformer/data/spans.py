"""Which held-out tokens are read together in an evaluation: a document from its beginning, as a reader would.

Windows that begin anywhere would judge a model by texts whose beginning it has not seen, and a model that was trained on
whole documents by a task that it never had.
"""

import numpy as np


def evaluation_spans(documents: np.ndarray, context_length: int, limit: int | None = None) -> np.ndarray:
    """(n, 2) int64: from which token to which the rows of `sequential` read; the token after each of them is its target.

    `documents` (n_documents + 1,) says where each document starts and, at the end, where the last one ends.
    """
    ends = documents[1:].copy()
    ends[-1] -= 1  # nothing follows the last token
    counts = -(-(ends - documents[:-1]) // context_length)
    of = np.repeat(np.arange(len(counts)), counts)  # the document of each row
    row = np.arange(len(of)) - np.repeat(counts.cumsum() - counts, counts)  # its number in the document
    starts = documents[of] + row * context_length
    spans = np.stack((starts, np.minimum(starts + context_length, ends[of])), 1)
    total = int((spans[:, 1] - spans[:, 0]).sum())
    if limit is None or limit >= total:
        return spans
    n = max(1, len(spans) * limit // total)
    return spans[np.arange(n) * len(spans) // n]
