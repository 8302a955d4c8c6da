"""Causal self-attention over everything before (Vaswani et al., 2017; grouped keys and values: Ainslie et al., 2023).

Variants that look at less differ only in `visible(q_index, k_index)`.
"""

import torch
from torch import Tensor, nn

from glassformer.kernels import Kernels
from glassformer.model.cache import KVCache
from glassformer.model.linear import Dropout, Linear, narrowed
from glassformer.model.mixer import Mixer
from glassformer.model.position import Positions
from glassformer.model.shapes import Shapes


class Full(Mixer):
    """Every token sees itself and all tokens before it."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """Four projections: 2 C^2 (1 + G/H) parameters."""
        return Attention(shapes, kernels)


class Attention(nn.Module):
    """Ask (q), offer (k), hand over (v), write back (o)."""

    def __init__(self, shapes: Shapes, kernels: Kernels):
        super().__init__()
        self.kernels, self.head_dim = kernels, shapes.head_dim
        width, key_width = shapes.n_head * shapes.head_dim, shapes.key_heads * shapes.head_dim
        self.q_proj = Linear(shapes.n_embd, width, shapes.bias, kernels)
        self.k_proj = Linear(shapes.n_embd, key_width, shapes.bias, kernels)
        self.v_proj = Linear(shapes.n_embd, key_width, shapes.bias, kernels)
        self.o_proj = Linear(width, shapes.n_embd, shapes.bias, kernels)
        self.pattern_dropout = Dropout(shapes.dropout, kernels)

    def forward(self, x: Tensor, positions: Positions, cache: KVCache | None = None) -> Tensor:
        """x (B, T, C) -> (B, T, C)."""
        x = narrowed(x)
        q, k, v = (self._heads(proj(x)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        q, k = positions.rotate(q, k)
        if cache is not None:
            k, v = cache.append(k, v, positions)  # (B, G, S, D)
        k_index = torch.arange(k.shape[2], device=x.device)
        y = self.kernels.attention(
            q, k, v,
            visible=self.mask(positions, k_index), bias=positions.bias(k_index),
            dropout=self.pattern_dropout.probability,
        )  # (B, H, T, D)  # fmt: skip
        return self.o_proj(y.transpose(1, 2).flatten(2))

    def make_cache(self, batch: int, length: int) -> KVCache:
        """Room for `length` keys and values per row."""
        return KVCache(length)

    def visible(self, q_index: Tensor, k_index: Tensor) -> Tensor:
        """Whether the query at q_index may see the key at k_index, elementwise."""
        return k_index <= q_index

    def mask(self, positions: Positions, k_index: Tensor) -> Tensor | None:
        """Booleans that broadcast to (B, H, T, S), or None where the kernel's own causal rule says the same."""
        if positions.start is not None and positions.documents is None:
            return None
        return positions.visible(k_index, self.visible)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)  # (B, heads, T, D)
