"""torch's own attention layer as a mixer, with its mask in a buffer, its own first weights and dropout."""

import torch
from torch import nn

from glassformer.model.cache import KVCache
from glassformer.model.mixer import Mixer


class Config(Mixer):
    def build(self, shapes, kernels=None):
        return TorchAttention(shapes)


class TorchAttention(nn.Module):
    def __init__(self, shapes):
        super().__init__()
        self.heads = shapes.n_head
        width = -(-shapes.n_embd // shapes.n_head) * shapes.n_head
        self.widen, self.narrow = nn.Linear(shapes.n_embd, width), nn.Linear(width, shapes.n_embd)
        self.attention = nn.MultiheadAttention(width, shapes.n_head, dropout=0.1, batch_first=True)
        n = shapes.context_length
        self.register_buffer("hidden", torch.ones(n, n, dtype=torch.bool).triu(1))

    def forward(self, x, positions, cache=None):
        x = keys = self.widen(x)
        if cache is not None:
            keys = cache.append(x[:, None], x[:, None], positions)[0][:, 0]
        S = keys.shape[1]
        if positions.documents is not None:
            seen = positions.visible(torch.arange(S, device=x.device), lambda q, k: k <= q)[:, 0]
            hidden = ~seen.repeat_interleave(self.heads, 0)
        else:
            hidden = self.hidden[positions.index, :S]
            hidden = hidden if hidden.ndim == 2 else hidden.repeat_interleave(self.heads, 0)
        return self.narrow(self.attention(x, keys, keys, attn_mask=hidden, need_weights=False)[0])

    def make_cache(self, rows, length):
        return KVCache(rows, length)
