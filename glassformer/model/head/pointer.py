"""A pointer beside the vocabulary: the next token may be copied from the text so far (Merity et al., 2017, "Pointer
Sentinel Mixture Models"; See et al., 2017, "Get To The Point").

    q_t, k_s = W_q x_t, W_k x_s                          one attention head over all tokens read so far
    a_ts = softmax_s(q_t . k_s / sqrt(D))
    gate_t = w . x_t + b                                 copy, or choose from the vocabulary?
    p(w) = (1 - g) softmax(z)_w + g sum_s a_ts [id_s = w]        `kernels/pointer.py`

A plain transformer learns to repeat a name only when some of its heads have learned to look for it and others to pass it
on, which takes tens of millions of tokens. Here copying is a part of the model from the first step.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.model.cache import KVCache, LayerCache
from glassformer.model.head import Head
from glassformer.model.linear import Linear, project
from glassformer.model.positions import Positions
from glassformer.model.roles import Cut
from glassformer.model.shapes import Shapes


class Config(Head):
    """A tied head, mixed with attention over the tokens that were read."""

    width: PositiveInt = 64
    """D, the width of the queries and keys."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """2 C D + C + 1 parameters."""
        return PointerHead(shapes, self.width, kernels or fused())


class Gate(Linear):
    """Whether to copy: x (B, T, C) -> (B, T). It begins nearly shut, so that the vocabulary learns from the first step."""

    def __init__(self, n_embd: int, kernels: Kernels):
        super().__init__(n_embd, 1, True, kernels)

    def reset_parameters(self) -> None:
        """A bias of -2: one token in eight is copied."""
        super().reset_parameters()
        if self.bias is not None:
            nn.init.constant_(self.bias, -2.0)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, C) -> (B, T)."""
        return super().forward(x)[..., 0]


@dataclass(frozen=True)
class Memory:
    """What the pointer may point at, for the queries of one call."""

    keys: Tensor
    """(B, S, D)."""
    ids: Tensor
    """(B, S) int64: the tokens that were read."""
    visible: Tensor
    """(B, T, S) booleans, or (1, T, S): which of them each query may copy."""

    def at(self, last: Tensor) -> "Memory":
        """For one query a row, the one at last (B,)."""
        rows = torch.arange(len(last), device=last.device)
        return replace(self, visible=self.visible.expand(len(last), -1, -1)[rows, last][:, None])


class PointerHead(nn.Module):
    """Scores by the dot product with the embedding, as a tied head does, and mixes in what it copies."""

    cuts: ClassVar[dict[str, Cut]] = {"q_proj": "whole", "k_proj": "whole", "gate": "whole"}

    def __init__(self, shapes: Shapes, width: int, kernels: Kernels):
        super().__init__()
        self.kernels = kernels
        self.q_proj = Linear(shapes.n_embd, width, False, kernels)
        self.k_proj = Linear(shapes.n_embd, width, False, kernels)
        self.gate = Gate(shapes.n_embd, kernels)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (..., C), embedding (V, C) -> (..., V): the logits of the vocabulary alone."""
        return self.kernels.linear(x, embedding)

    def read(self, x: Tensor, ids: Tensor, positions: Positions, cache: Any = None) -> Memory:
        """x (B, T, C) and ids (B, T) of this call, and those of earlier calls from the cache."""
        keys, index = self.k_proj(x)[:, None], positions.index  # (B, 1, T, D)
        words = ids[:, None, :, None]
        if cache is not None:
            keys, words = cache.append(keys, words, positions)
            index = torch.arange(keys.shape[2], device=keys.device)
        visible = positions.visible(index, lambda q_index, k_index: k_index <= q_index)  # (T, S) or (B, 1, T, S)
        return Memory(keys[:, 0], words[:, 0, :, 0], visible[None] if visible.ndim == 2 else visible[:, 0])

    def mix(self, z: Tensor, x: Tensor, memory: Memory) -> Tensor:
        """z (B, T, V) of the vocabulary -> (B, T, V): the logarithm of the mixture."""
        return self.kernels.pointer(z, self._pattern(x, memory), self.gate(x), memory.ids)

    def nats(self, z: Tensor, x: Tensor, memory: Memory, targets: Tensor) -> Tensor:
        """z (B, T, V), targets (B, T) -> (B, T) nats; 0 for IGNORED."""
        return self.kernels.pointer_nats(z, self._pattern(x, memory), self.gate(x), memory.ids, targets)

    def make_cache(self, rows: int, length: int) -> LayerCache:
        """Room for `length` keys and ids per slot."""
        return KVCache(rows, length)

    def _pattern(self, x: Tensor, memory: Memory) -> Tensor:
        """x (B, T, C) -> (B, T, S): how much attention each token receives."""
        (q,) = project(x, self.q_proj)
        scores = q @ memory.keys.to(q.dtype).transpose(1, 2) / math.sqrt(q.shape[-1])  # (B, T, S)
        return self.kernels.softmax(scores.masked_fill(~memory.visible, -math.inf))
