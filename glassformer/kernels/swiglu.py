"""SwiGLU, the gated unit of Llama and most models since (Shazeer, 2020, eq. 6).

    y = silu(gate) * up

One projection of the input opens or closes the other, number by number.
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from glassformer.kernels import silu


def plain(gate: Tensor, up: Tensor, *, silu: Callable[..., Tensor] = silu.plain) -> Tensor:
    """gate (...), up (...) -> the same shape."""
    return silu(gate) * up


def fused(gate: Tensor, up: Tensor) -> Tensor:
    """The twin of `plain`."""
    return F.silu(gate) * up
