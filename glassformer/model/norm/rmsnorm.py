"""RMSNorm (Zhang and Sennrich, 2019): scale only. Llama's choice; cheaper, and as good."""

from typing import ClassVar

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.model.norm import Norm
from glassformer.model.roles import Leaf, Role
from glassformer.model.shapes import Shapes


class Config(Norm):
    """y = x / sqrt(mean(x^2) + eps) * weight."""

    eps: PositiveFloat = 1e-6
    """Added to the mean square so that a zero input does not divide by zero."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """C parameters."""
        return RMSNorm(shapes, self, kernels or fused())


class RMSNorm(Leaf):
    """Holds the weight of the kernel `rms_norm`."""

    roles: ClassVar[dict[str, Role]] = {"weight": "gain"}

    def __init__(self, shapes: Shapes, config: Config, kernels: Kernels):
        super().__init__()
        self.kernels, self.eps = kernels, config.eps
        self.weight = nn.Parameter(torch.empty(shapes.n_embd))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights 1."""
        nn.init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., C) -> the same shape."""
        return self.kernels.rms_norm(x, self.weight, self.eps)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{len(self.weight)}, eps={self.eps:g}"
