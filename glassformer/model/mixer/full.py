"""Causal self-attention over everything before (Vaswani et al., 2017; grouped keys and values: Ainslie et al., 2023).

Variants that look at less differ in `visible(q_index, k_index)`, and in `attend`, which skips what is not visible. A file
that overrides `visible` alone is right, and has the work of all pairs.
"""

from typing import Any

import torch
from torch import Tensor, nn

from glassformer.config import slot
from glassformer.kernels import Kernels
from glassformer.model.cache import KVCache, LayerCache
from glassformer.model.linear import Dropout, Linear, narrowed
from glassformer.model.mixer import Mixer
from glassformer.model.norm import Norm
from glassformer.model.positions import Positions
from glassformer.model.shapes import Shapes


class Full(Mixer):
    """Every token sees itself and all tokens before it."""

    qk_norm: Norm = slot("none")
    """A norm of each head's queries and keys before they are turned; with rmsnorm scores are within sqrt(D)
    at first, and outgrow it only as far as the norms' weights outgrow 1."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """Four projections: 2 C^2 (1 + G/H) parameters."""
        return Attention(shapes, self.qk_norm, kernels)


class Attention(nn.Module):
    """Ask (q), offer (k), hand over (v), write back (o)."""

    def __init__(self, shapes: Shapes, qk_norm: Norm, kernels: Kernels):
        super().__init__()
        self.kernels, self.head_dim = kernels, shapes.head_dim
        width, key_width = shapes.n_head * shapes.head_dim, shapes.key_heads * shapes.head_dim
        self.q_proj = Linear(shapes.n_embd, width, shapes.bias, kernels)
        self.k_proj = Linear(shapes.n_embd, key_width, shapes.bias, kernels)
        self.v_proj = Linear(shapes.n_embd, key_width, shapes.bias, kernels)
        self.o_proj = Linear(width, shapes.n_embd, shapes.bias, kernels, role="write")
        head = Shapes(n_embd=shapes.head_dim, n_head=1, bias=shapes.bias)
        self.q_norm, self.k_norm = qk_norm.build(head, kernels), qk_norm.build(head, kernels)
        self.pattern_dropout = Dropout(shapes.dropout, kernels)

    def forward(self, x: Tensor, positions: Positions, cache: Any = None) -> Tensor:
        """x (B, T, C) -> (B, T, C)."""
        x = narrowed(x)
        q, k, v = (self._heads(proj(x)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        q, k = positions.rotate_for_softmax(narrowed(self.q_norm(q)), narrowed(self.k_norm(k)))
        y = self.attend(q, k, v, positions, cache)  # (B, H, T, D)
        return self.o_proj(y.transpose(1, 2).flatten(2))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, positions: Positions, cache: Any) -> Tensor:
        """q (B, H, T, D), k and v (B, G, T, D) -> (B, H, T, D), with what the cache holds from before."""
        if cache is not None:
            k, v = cache.append(k, v, positions)  # (B, G, S, D)
        k_index = torch.arange(k.shape[2], device=k.device)
        plain_row = positions.start is not None and positions.documents is None
        if plain_row and type(self).visible is Attention.visible:  # the kernel's own rule says the same
            return self.masked(q, k, v, positions, k_index, None)
        return self.masked(q, k, v, positions, k_index, positions.visible(k_index, self.visible))

    def make_cache(self, rows: int, length: int) -> LayerCache:
        """Room for `length` keys and values per slot."""
        return KVCache(rows, length)

    def visible(self, q_index: Tensor, k_index: Tensor) -> Tensor:
        """Whether the query at q_index may see the key at k_index, elementwise."""
        return k_index <= q_index

    def masked(
        self, q: Tensor, k: Tensor, v: Tensor, positions: Positions, k_index: Tensor, visible: Tensor | None
    ) -> Tensor:
        """Attention to all the keys, with a mask: exact for any rule, and T x S work."""
        bias, dropout = positions.bias(k_index), self.pattern_dropout.probability
        return self.kernels.attention(q, k, v, visible=visible, bias=bias, dropout_p=dropout)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)  # (B, heads, T, D)
