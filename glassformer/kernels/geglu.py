"""GEGLU, GELU as a gate (Shazeer, 2020, eq. 6), in GELU's tanh form; Gemma's choice.

    y = gelu(gate) * up
"""

from torch import Tensor
from torch.nn import functional as F

from glassformer.kernels.gelu import plain as gelu_plain


def plain(gate: Tensor, up: Tensor) -> Tensor:
    """gate (...), up (...) -> the same shape."""
    return gelu_plain(gate) * up


def fused(gate: Tensor, up: Tensor) -> Tensor:
    """The twin of `plain`."""
    return F.gelu(gate, approximate="tanh") * up
