"""The gated MLP of Llama (Shazeer, 2020, eq. 6): three projections for two, a third narrower to cost the same."""

from torch import nn

from glassformer.kernels import Kernels
from glassformer.model.mlp import MLP, Gated
from glassformer.model.shapes import Shapes


class SwiGLU(MLP):
    """y = W_down (silu(W_gate x) * W_up x); n_hidden is 8/3 n_embd by default, rounded up to a multiple of 32."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """About 8 C^2 parameters by default."""
        return Gated(shapes, self.n_hidden, kernels.swiglu, kernels)
