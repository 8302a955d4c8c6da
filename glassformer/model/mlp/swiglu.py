"""The gated MLP of Llama (Shazeer, 2020, eq. 6): three projections for two, a third narrower to cost the same."""

from torch import Tensor, nn

from glassformer.kernels import Kernels
from glassformer.model.linear import Linear, narrowed
from glassformer.model.mlp import MLP
from glassformer.model.shapes import Shapes


class SwiGLU(MLP):
    """y = W_down (silu(W_gate x) * W_up x); n_hidden is 8/3 n_embd by default, rounded up to a multiple of 32."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """About 8 C^2 parameters by default."""
        n_hidden = self.n_hidden or -(-8 * shapes.n_embd // 3 // 32) * 32
        return SwiGLUFeedForward(shapes, n_hidden, kernels)


class SwiGLUFeedForward(nn.Module):
    """Holds the three projections."""

    def __init__(self, shapes: Shapes, n_hidden: int, kernels: Kernels):
        super().__init__()
        self.kernels = kernels
        self.gate_proj = Linear(shapes.n_embd, n_hidden, shapes.bias, kernels)
        self.up_proj = Linear(shapes.n_embd, n_hidden, shapes.bias, kernels)
        self.down_proj = Linear(n_hidden, shapes.n_embd, shapes.bias, kernels)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, C) -> (B, T, C)."""
        x = narrowed(x)
        return self.down_proj(self.kernels.swiglu(self.gate_proj(x), self.up_proj(x)))
