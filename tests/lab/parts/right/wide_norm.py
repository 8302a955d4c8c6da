"""A norm that computes in float64 and keeps a running mean of lengths in a buffer while it trains."""

import torch
from torch import nn

from glassformer.model.norm import Norm


class Config(Norm):
    def build(self, shapes, kernels=None):
        return WideNorm(shapes.n_embd)


class WideNorm(nn.Module):
    def __init__(self, n_embd):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_embd))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        wide = x.double()
        if self.training and not x.is_meta:
            self.seen.lerp_(wide.detach().square().mean().to(self.seen.dtype), 0.01)
        return (wide * (wide.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * self.weight.double()).to(x.dtype)
