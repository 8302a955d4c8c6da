"""A mixer as a user writes one, outside the package: the mean of everything so far, in place of attention."""

import torch
from torch import nn

from glassformer.model.cache import KVCache
from glassformer.model.linear import Linear
from glassformer.model.mixer import Mixer


class Config(Mixer):
    decay: float = 0.0
    """How much less a token counts for each step that it lies back; 0 is the plain mean."""

    def build(self, shapes, kernels=None):
        return RunningMean(shapes.n_embd, self.decay, kernels)


class RunningMean(nn.Module):
    def __init__(self, n_embd, decay, kernels):
        super().__init__()
        self.decay = decay
        self.v_proj = Linear(n_embd, n_embd, False, kernels)
        self.o_proj = Linear(n_embd, n_embd, False, kernels, role="write")

    def forward(self, x, positions, cache=None):
        v = self.v_proj(x)[:, None]  # (B, 1, T, C)
        k_index = positions.index
        if cache is not None:
            v, _ = cache.append(v, v, positions)
            k_index = torch.arange(v.shape[2], device=x.device)
        seen = positions.visible(k_index, lambda q, k: k <= q)  # (T, S) or (B, 1, T, S)
        back = positions.queries - (k_index if k_index.ndim == 1 else k_index[:, None, None])
        weight = torch.exp(-self.decay * back.clamp(min=0)) * seen
        return self.o_proj(((weight / weight.sum(-1, keepdim=True)).to(v.dtype) @ v)[:, 0])

    def make_cache(self, rows, length):
        return KVCache(rows, length)
