"""The gated MLP with GELU as its gate (Shazeer, 2020, eq. 6). Gemma's choice."""

from torch import nn

from glassformer.kernels import Kernels, fused
from glassformer.model.mlp import MLP, GatedMLP
from glassformer.model.shapes import Shapes


class Config(MLP):
    """y = W_down (gelu(W_gate x) * W_up x); n_hidden is 8/3 n_embd by default, rounded up to a multiple of 32."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """About 8 C^2 parameters by default."""
        return GEGLU(shapes, self, kernels or fused())


class GEGLU(GatedMLP):
    """A gated MLP with the kernel `geglu`."""

    def __init__(self, shapes: Shapes, config: MLP, kernels: Kernels):
        super().__init__(shapes, config.n_hidden, kernels.geglu, kernels)
