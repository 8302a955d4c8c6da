"""`Linear` and `Dropout`, the two modules that almost every part uses, and the conversion for autocast.

Under autocast a matrix product runs in 16 bits, so its input is converted first. That happens here and nowhere else.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from glassformer.kernels import Kernels
from glassformer.model.roles import STD, Leaf, fill_normal


class Linear(Leaf):
    """y = x W^T + b. Its role is "write" where y is added to the residual stream, and "head" where y are logits."""

    def __init__(
        self, n_in: int, n_out: int, bias: bool, kernels: Kernels, role: Literal["matrix", "write", "head"] = "matrix"
    ):
        super().__init__()
        self.kernels, self.n_in, self.n_out = kernels, n_in, n_out
        self.roles = {"weight": role, "bias": "bias"}
        self.weight = nn.Parameter(torch.empty(n_out, n_in))
        self.bias = nn.Parameter(torch.empty(n_out)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights from N(0, 0.02^2), biases 0; the `init` of a GPT chooses another standard deviation by role."""
        fill_normal(self.weight, STD)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., n_in) -> (..., n_out)."""
        return self.kernels.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{self.n_in}, {self.n_out}" + ("" if self.bias is None else ", bias")


def project(x: Tensor, *projections: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Each projection of the same x (..., n_in). Under autocast x is converted once for all of them."""
    kind = x.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):  # "meta" has no autocast
        x = x.to(torch.get_autocast_dtype(kind))
    return [projection(x) for projection in projections]


class Dropout(nn.Module):
    """Sets numbers to 0 at random while training; does nothing otherwise."""

    def __init__(self, p: float, kernels: Kernels):
        super().__init__()
        self.kernels, self.p = kernels, p

    @property
    def probability(self) -> float:
        """The probability that acts now: p while training, 0 in evaluation."""
        return self.p if self.training else 0.0

    def forward(self, x: Tensor) -> Tensor:
        """x (...) -> the same shape."""
        return self.kernels.dropout(x, self.probability)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"p={self.p:g}"
