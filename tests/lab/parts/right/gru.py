"""A gated recurrent unit from torch as a mixer: its state is the memory, and each document starts it anew."""

import torch
from torch import nn

from glassformer.model.cache import StateCache
from glassformer.model.mixer import Mixer


class Config(Mixer):
    def build(self, shapes, kernels=None):
        return Recurrent(shapes.n_embd)


class Recurrent(nn.Module):
    def __init__(self, n_embd):
        super().__init__()
        self.cell = nn.GRUCell(n_embd, n_embd)
        self.o_proj = nn.Linear(n_embd, n_embd)

    def forward(self, x, positions, cache=None):
        state = None if cache is None else cache.read(positions, len(x))
        h = x.new_zeros(len(x), x.shape[2]) if state is None else state[0].to(x.dtype)
        documents, real, out = positions.documents, positions.real, []
        for t in range(x.shape[1]):
            if documents is not None and t:
                h = h * (documents[:, t] == documents[:, t - 1])[:, None]
            new = self.cell(x[:, t], h).to(x.dtype)
            h = new if real is None else torch.where(real[:, t, None], new, h)
            out.append(h)
        if cache is not None:
            cache.store(positions, h)
        return self.o_proj(torch.stack(out, 1))

    def make_cache(self, rows, length):
        return StateCache(rows)
