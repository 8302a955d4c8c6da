"""The two leaf modules that hold nothing but a kernel and its numbers: `Linear` and `Dropout`."""

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


def narrowed(x: Tensor) -> Tensor:
    """x as autocast would hand it to a matrix product. Projections of the same x then share one conversion."""
    kind = x.device.type
    narrow = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)  # "meta" knows no autocast
    return x.to(torch.get_autocast_dtype(kind)) if narrow else x


class Dropout(nn.Module):
    """Drops numbers while training, does nothing otherwise."""

    def __init__(self, p: float, kernels: Kernels):
        super().__init__()
        self.kernels, self.p = kernels, p

    @property
    def probability(self) -> float:
        """The probability in force now: p while training, 0 in evaluation."""
        return self.p if self.training else 0.0

    def forward(self, x: Tensor) -> Tensor:
        """x (...) -> the same shape."""
        return self.kernels.dropout(x, self.probability)
