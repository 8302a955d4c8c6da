"""A norm that divides out the root of the length: it keeps half of what RMSNorm takes away."""

from torch import nn

from glassformer.model.norm import Norm


class Config(Norm):
    power: float = 0.5
    """The length is divided out to this power."""

    def build(self, shapes, kernels=None):
        return HalfNorm(self.power)


class HalfNorm(nn.Module):
    def __init__(self, power):
        super().__init__()
        self.power = power

    def forward(self, x):
        return x / x.square().mean(-1, keepdim=True).add(1e-6).sqrt() ** self.power
