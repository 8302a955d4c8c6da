"""LayerNorm (Ba et al., 2016): centre, scale, and a learned weight and bias. GPT-2's choice."""

from typing import ClassVar

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.model.norm import Norm
from glassformer.model.roles import Leaf, Role
from glassformer.model.shapes import Shapes


class Config(Norm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias."""

    eps: PositiveFloat = 1e-5
    """Added to the variance so that a constant input does not divide by zero."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """2C parameters, or C when the model has no biases."""
        return LayerNorm(shapes, self, kernels or fused())


class LayerNorm(Leaf):
    """Holds the weight and bias of the kernel `layer_norm`."""

    roles: ClassVar[dict[str, Role]] = {"weight": "gain", "bias": "bias"}

    def __init__(self, shapes: Shapes, config: Config, kernels: Kernels):
        super().__init__()
        self.kernels, self.eps = kernels, config.eps
        self.weight = nn.Parameter(torch.empty(shapes.n_embd))
        self.bias = nn.Parameter(torch.empty(shapes.n_embd)) if shapes.bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights 1, biases 0."""
        nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., C) -> the same shape."""
        return self.kernels.layer_norm(x, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{len(self.weight)}, eps={self.eps:g}"
