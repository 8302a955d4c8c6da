"""An MLP with ternary weights (Ma et al., 2024), trained straight through the rounding, and dropout of its own."""

from torch import nn
from torch.nn import functional as F

from glassformer.model.linear import Linear
from glassformer.model.mlp import MLP


class Config(MLP):
    def build(self, shapes, kernels=None):
        return Ternary(shapes.n_embd, self.n_hidden or 4 * shapes.n_embd, kernels)


class Rounded(Linear):
    def forward(self, x):
        scale = self.weight.abs().mean().clamp(min=1e-5)
        rounded = (self.weight / scale).round().clamp(-1, 1) * scale
        return self.kernels.linear(x, self.weight + (rounded - self.weight).detach(), self.bias)


class Ternary(nn.Module):
    def __init__(self, n_embd, n_hidden, kernels):
        super().__init__()
        self.up_proj = Rounded(n_embd, n_hidden, True, kernels)
        self.down_proj = Rounded(n_hidden, n_embd, True, kernels, role="write")
        self.dropout = nn.Dropout(0.1)

    def forward(self, x):
        return self.down_proj(self.dropout(F.relu(self.up_proj(x))))
