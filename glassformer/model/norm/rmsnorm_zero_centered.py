"""RMSNorm whose weight is stored as its difference from 1 (Gemma, Qwen3-Next): weights near 0, as those of other parts.

Weight decay then pulls the factor towards 1 and not towards 0, if an optimizer decays it at all.
"""

from typing import ClassVar

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.model.norm import Norm
from glassformer.model.roles import Leaf, Role
from glassformer.model.shapes import Shapes


class Config(Norm):
    """y = x / sqrt(mean(x^2) + eps) * (1 + weight)."""

    eps: PositiveFloat = 1e-6
    """Added to the mean square so that a zero input does not divide by zero."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """C parameters."""
        return ZeroCenteredRMSNorm(shapes, self, kernels or fused())


class ZeroCenteredRMSNorm(Leaf):
    """Holds the weight, and applies the kernel `rms_norm` with 1 + weight."""

    roles: ClassVar[dict[str, Role]] = {"weight": "gain"}

    def __init__(self, shapes: Shapes, config: Config, kernels: Kernels):
        super().__init__()
        self.kernels, self.eps = kernels, config.eps
        self.weight = nn.Parameter(torch.empty(shapes.n_embd))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights 0."""
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., C) -> the same shape."""
        return self.kernels.rms_norm(x, 1 + self.weight, self.eps)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{len(self.weight)}, eps={self.eps:g}"
