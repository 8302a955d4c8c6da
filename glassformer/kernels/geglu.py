"""GEGLU, the gated unit with GELU (Shazeer, 2020, eq. 6), in GELU's tanh form. Gemma uses it.

    y = gelu(gate) * up

One projection of the input opens or closes the other, number by number.
"""

from collections.abc import Callable

from torch import Tensor

from glassformer.kernels import gelu


def plain(gate: Tensor, up: Tensor, *, gelu: Callable[..., Tensor] = gelu.plain) -> Tensor:
    """gate (...), up (...) -> the same shape."""
    return gelu(gate) * up


def fused(gate: Tensor, up: Tensor) -> Tensor:
    """The twin of `plain`."""
    return gelu.fused(gate) * up
