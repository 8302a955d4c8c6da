"""GEGLU, GELU as a gate (Shazeer, 2020, eq. 6), in GELU's tanh form; Gemma's choice.

    y = gelu(gate) * up
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from glassformer.kernels import gelu


def plain(gate: Tensor, up: Tensor, *, gelu: Callable[..., Tensor] = gelu.plain) -> Tensor:
    """gate (...), up (...) -> the same shape."""
    return gelu(gate) * up


def fused(gate: Tensor, up: Tensor) -> Tensor:
    """The twin of `plain`."""
    return F.gelu(gate, approximate="tanh") * up
