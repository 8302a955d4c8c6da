"""LayerNorm (Ba et al., 2016): centre, scale, and a learned weight and bias. GPT-2's choice."""

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from glassformer.kernels import Kernels
from glassformer.model.norm import Norm
from glassformer.model.shapes import Shapes


class LayerNorm(Norm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias."""

    eps: PositiveFloat = 1e-5
    """Added to the variance so that a constant input does not divide by zero."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """2C parameters, or C when the model has no biases."""
        return LayerNormModule(shapes, self.eps, kernels)


class LayerNormModule(nn.Module):
    """Holds the weight and bias of the kernel `layer_norm`."""

    def __init__(self, shapes: Shapes, eps: float, kernels: Kernels):
        super().__init__()
        self.kernels, self.eps = kernels, eps
        self.weight = nn.Parameter(torch.ones(shapes.n_embd))
        self.bias = nn.Parameter(torch.zeros(shapes.n_embd)) if shapes.bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (..., C) -> the same shape."""
        return self.kernels.layer_norm(x, self.weight, self.bias, self.eps)
