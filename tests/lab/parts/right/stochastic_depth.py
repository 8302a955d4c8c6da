"""Stochastic depth (Huang et al., 2016): while training, each part of a block is left out with probability `p`."""

import torch

from glassformer.model.block import Block
from glassformer.model.residual import Residual


class Config(Residual):
    p: float = 0.2
    """The probability that a part is left out."""

    def build(self, mixer, mlp, norm, dropout):
        return Sometimes(norm(), mixer, norm(), mlp, dropout, self.p)


class Sometimes(Block):
    def __init__(self, mixer_norm, mixer, mlp_norm, mlp, dropout, p):
        super().__init__(mixer_norm, mixer, mlp_norm, mlp, dropout)
        self.p = p

    def kept(self, y):
        if not self.training:
            return y
        return y * ((torch.rand(len(y), 1, 1) >= self.p) / (1 - self.p)).to(y)

    def forward(self, x, positions, cache=None):
        x = x + self.dropout(self.kept(self.mixer(self.mixer_norm(x), positions, cache)))
        y, auxiliary = self.feed_forward(self.mlp_norm(x), positions)
        return x + self.dropout(self.kept(y)), auxiliary
