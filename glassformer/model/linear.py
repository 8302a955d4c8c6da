"""The two leaf modules that hold nothing but a kernel and its numbers: `Linear` and `Dropout`."""

import torch
from torch import Tensor, nn

from glassformer.kernels import Kernels


class Linear(nn.Module):
    """y = x W^T + b. A projection that writes into the stream is called `o_proj` or `down_proj` by its owner."""

    def __init__(self, n_in: int, n_out: int, bias: bool, kernels: Kernels):
        super().__init__()
        self.kernels = kernels
        self.weight = nn.Parameter(torch.empty(n_out, n_in))
        self.bias = nn.Parameter(torch.zeros(n_out)) if bias else None

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
