"""A file with two parts: it fills the slots of a norm and of an MLP."""

from torch import nn
from torch.nn import functional as F

from glassformer.model.linear import Linear
from glassformer.model.mlp import MLP
from glassformer.model.norm import Norm


class Centered(Norm):
    def build(self, shapes, kernels=None):
        return nn.LayerNorm(shapes.n_embd)


class Small(MLP):
    def build(self, shapes, kernels=None):
        n = self.n_hidden or 2 * shapes.n_embd
        return nn.Sequential(
            Linear(shapes.n_embd, n, True, kernels), Tanh(), Linear(n, shapes.n_embd, True, kernels, role="write")
        )


class Tanh(nn.Module):
    def forward(self, x):
        return F.tanh(x)
