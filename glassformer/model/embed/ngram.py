"""One learned vector per token, and one for each n-gram that ends at it, in hashed tables (Bojanowski et al., 2017, hash
the n-grams of letters; Huang et al., 2025, "Over-Tokenized Transformer", those of tokens).

    x_t = W[id_t] + sum_{n=2..N} H_n[hash(id_{t-n+1}, ..., id_t) mod R]

A transformer spends its first steps on learning which token follows which pair of tokens. Here a table knows the pair at
once. Different n-grams may share a row; frequent ones win it. A lookup costs almost nothing, but the optimizer updates
(N - 1) R rows more.
"""

from typing import Any

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.model.cache import KVCache, LayerCache
from glassformer.model.embed import Embed
from glassformer.model.embedding import Embedding
from glassformer.model.positions import Positions
from glassformer.model.shapes import Shapes

FACTOR, PRIME = 1_000_003, 2**31 - 1
"""Of the hash. Their product and a vocabulary fit into 63 bits."""


class Config(Embed):
    """A table for the tokens, and one for each length of n-gram."""

    order: int = Field(default=3, ge=2, le=8)
    """N: the longest n-grams that have vectors; 3 for pairs and triples."""
    rows: PositiveInt = 8192
    """R, the rows of each table of n-grams."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """(V + (N - 1) R) C parameters."""
        return NGramEmbedding(shapes, self, kernels or fused())


class NGramEmbedding(Embedding):
    """ids -> rows of `weight` (V, C), plus the rows of their n-grams."""

    def __init__(self, shapes: Shapes, config: Config, kernels: Kernels):
        super().__init__(shapes.vocab_size, shapes.n_embd, kernels)
        self.rows = config.rows
        self.tables = nn.ModuleList(Embedding(config.rows, shapes.n_embd, kernels) for _ in range(config.order - 1))

    def forward(self, ids: Tensor, before: Tensor | None = None) -> Tensor:
        """ids (B, T) and what stands `before` each of them -> (B, T, C). Without `before`, each row is one whole text."""
        if before is None:
            before = self.before(ids, Positions.of(ids.shape[1], device=ids.device))
        x, key = super().forward(ids), ids
        for n, table in enumerate(self.tables):
            key = (key * FACTOR + before[..., n] + 1) % PRIME
            x = x + table(key % self.rows)
        return x

    def before(self, ids: Tensor, positions: Positions, cache: Any = None) -> Tensor:
        """The ids 1, 2, ... N - 1 tokens before each of ids (B, T), in its text: (B, T, N - 1), -1 where there is none.

        With a `cache` it knows the ids of earlier calls.
        """
        read, index = ids, torch.arange(ids.shape[1], device=ids.device)
        if cache is not None:
            words = ids[:, None, :, None]
            read, index = cache.append(words, words, positions)[0][:, 0, :, 0], positions.index  # (B, S), (T,) or (B, T)
        place = positions.places  # in the text
        back = torch.arange(1, len(self.tables) + 1, device=ids.device)
        wanted = (index[..., None] - back).expand(*ids.shape, -1)  # (B, T, N - 1)
        found = read.gather(1, wanted.clamp(min=0).flatten(1)).view(wanted.shape)
        return found.where(place[..., None] >= back, -1)

    def make_cache(self, rows: int, length: int) -> LayerCache:
        """Room for `length` ids per slot."""
        return KVCache(rows, length)
