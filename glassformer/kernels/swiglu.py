"""SwiGLU, the gated unit of Llama and most models since (Shazeer, 2020, eq. 6).

    y = silu(gate) * up,   silu(g) = g * sigmoid(g) = g / (1 + exp(-g))

One projection of the input opens or closes the other, number by number.
"""

from torch import Tensor
from torch.nn import functional as F


def plain(gate: Tensor, up: Tensor) -> Tensor:
    """gate (...), up (...) -> the same shape."""
    return gate * gate.sigmoid() * up  # exp(-gate) itself would overflow below -88, and its gradient be NaN


def fused(gate: Tensor, up: Tensor) -> Tensor:
    """The twin of `plain`."""
    return F.silu(gate) * up
