"""A gated causal convolution: each channel sees its last four numbers, and declares that it sees no more."""

import torch
from torch import nn

from glassformer.model.cache import StateCache
from glassformer.model.linear import Linear
from glassformer.model.mixer import Mixer
from glassformer.model.roles import Leaf, fill_uniform


class Config(Mixer):
    width: int = 4
    """How many tokens the convolution sees, the token itself included."""

    def reach(self):
        return self.width

    def build(self, shapes, kernels=None):
        return GatedConvolution(shapes.n_embd, self.width, kernels)


class Taps(Leaf):
    roles = {"weight": "other"}

    def __init__(self, n_embd, width):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, n_embd))
        self.reset_parameters()

    def reset_parameters(self):
        fill_uniform(self.weight, len(self.weight) ** -0.5)


class GatedConvolution(nn.Module):
    def __init__(self, n_embd, width, kernels):
        super().__init__()
        self.width = width
        self.taps = Taps(n_embd, width)
        self.gate_proj = Linear(n_embd, n_embd, False, kernels)
        self.o_proj = Linear(n_embd, n_embd, False, kernels, role="write")

    def forward(self, x, positions, cache=None):
        tail = None if cache is None else cache.read(positions, len(x))
        tail = x.new_zeros(len(x), self.width - 1, x.shape[2]) if tail is None else tail[0].to(x.dtype)
        T, padded, y = x.shape[1], torch.cat([tail, x], 1), 0
        for back in range(self.width):
            seen = padded[:, self.width - 1 - back : self.width - 1 - back + T]
            if positions.documents is not None and back:
                same = positions.documents[:, back:] == positions.documents[:, :-back]
                seen = seen * nn.functional.pad(same, (min(back, T), 0))[:, :T, None]
            y = y + self.taps.weight[back].to(x.dtype) * seen
        if cache is not None:
            real = torch.full((len(x),), T, device=x.device) if positions.counts is None else positions.counts
            place = real[:, None] + torch.arange(self.width - 1, device=x.device)
            cache.store(positions, padded.gather(1, place[..., None].expand(-1, -1, x.shape[2])))
        return self.o_proj(torch.sigmoid(self.gate_proj(x)) * y)

    def make_cache(self, rows, length):
        return StateCache(rows)
