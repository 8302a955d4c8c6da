"""The gated MLP of Llama (Shazeer, 2020, eq. 6): three projections, each narrower, at the cost of two."""

from torch import nn

from glassformer.kernels import Kernels, fused
from glassformer.model.mlp import MLP, GatedMLP
from glassformer.model.shapes import Shapes


class Config(MLP):
    """y = W_down (silu(W_gate x) * W_up x); n_hidden is 8/3 n_embd by default, rounded up to a multiple of 32."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """About 8 C^2 parameters by default."""
        return SwiGLU(shapes, self, kernels or fused())


class SwiGLU(GatedMLP):
    """A gated MLP with the kernel `swiglu`."""

    def __init__(self, shapes: Shapes, config: MLP, kernels: Kernels):
        super().__init__(shapes, config.n_hidden, kernels.swiglu, kernels)
