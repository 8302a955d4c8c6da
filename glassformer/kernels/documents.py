"""Documents packed into one row: where each of them begins, and which tokens belong together.

Everywhere in the package `documents` (B, T) holds the number of every token's document, which never falls along a row:

    documents  0 0 0 1 1 5      opens  0 0 0 1 0 1      starts  0 0 0 3 3 5      places  0 1 2 0 1 0
"""

import torch
from torch import Tensor


def opens(documents: Tensor) -> Tensor:
    """documents (B, T) -> (B, T) booleans: whether the token before belongs to another document.

    False for the first token of a row: what came before it is not in the row (a recurrent state may hold it).
    """
    first = torch.zeros_like(documents, dtype=torch.bool)
    first[:, 1:] = documents[:, 1:] != documents[:, :-1]
    return first


def starts(documents: Tensor) -> Tensor:
    """documents (B, T) -> (B, T): the index in the row at which the document of each token begins."""
    row = torch.arange(documents.shape[1], device=documents.device)
    return torch.where(opens(documents), row, 0).cummax(1).values


def places(documents: Tensor) -> Tensor:
    """documents (B, T) -> (B, T): how many tokens of its document stand before each token."""
    return torch.arange(documents.shape[1], device=documents.device) - starts(documents)


def within(visible: Tensor, documents: Tensor | None) -> Tensor:
    """visible (..., T, S) booleans -> the same, and False between different documents.

    documents (B, S) numbers the keys; the queries are the last T of them. None: all tokens are of one document.
    """
    if documents is None:
        return visible
    T = visible.shape[-2]
    return visible & (documents[:, None, documents.shape[1] - T :, None] == documents[:, None, None, :])
