"""RMSNorm (Zhang and Sennrich, 2019): scale only. Llama's choice; cheaper, and as good."""

from pydantic import PositiveFloat
from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.model.norm import Gain, Norm
from glassformer.model.shapes import Shapes


class Config(Norm):
    """y = x / sqrt(mean(x^2) + eps) * weight."""

    eps: PositiveFloat = 1e-6
    """Added to the mean square so that a zero input does not divide by zero."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """C parameters."""
        return RMSNorm(shapes.n_embd, self.eps, kernels or fused())


class RMSNorm(Gain):
    """Applies the kernel `rms_norm` with its weight."""

    def reset_parameters(self) -> None:
        """Weights 1."""
        nn.init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., C) -> the same shape."""
        return self.kernels.rms_norm(x, self.weight, self.eps)
