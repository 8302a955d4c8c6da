"""The gated MLP with GELU as its gate (Shazeer, 2020, eq. 6). Gemma's choice."""

from torch import nn

from glassformer.kernels import Kernels
from glassformer.model.mlp import MLP, Gated
from glassformer.model.shapes import Shapes


class GEGLU(MLP):
    """y = W_down (gelu(W_gate x) * W_up x); n_hidden is 8/3 n_embd by default, rounded up to a multiple of 32."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """About 8 C^2 parameters by default."""
        return Gated(shapes, self.n_hidden, kernels.geglu, kernels)
