"""RMSNorm whose weight is stored as its difference from 1 (Gemma, Qwen3-Next): weights near 0, as those of other parts.

Weight decay then pulls the factor towards 1 and not towards 0, if an optimizer decays it at all.
"""

from pydantic import PositiveFloat
from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.model.norm import Gain, Norm
from glassformer.model.shapes import Shapes


class Config(Norm):
    """y = x / sqrt(mean(x^2) + eps) * (1 + weight)."""

    eps: PositiveFloat = 1e-6
    """Added to the mean square so that a zero input does not divide by zero."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """C parameters."""
        return ZeroCenteredRMSNorm(shapes.n_embd, self.eps, kernels or fused())


class ZeroCenteredRMSNorm(Gain):
    """Applies the kernel `rms_norm` with 1 + weight."""

    def reset_parameters(self) -> None:
        """Weights 0."""
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., C) -> the same shape."""
        return self.kernels.rms_norm(x, 1 + self.weight, self.eps)
