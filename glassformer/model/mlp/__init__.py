"""MLP: what each token computes by itself between the mixers: widen, apply an activation, narrow again."""

import abc
from collections.abc import Callable
from typing import ClassVar

from pydantic import PositiveInt
from torch import Tensor, nn

from glassformer.config import Variant
from glassformer.kernels import Kernels
from glassformer.model.linear import Linear, project
from glassformer.model.roles import Cut
from glassformer.model.shapes import Shapes


class MLP(Variant):
    """Builds a module with `forward(x (B, T, C)) -> (B, T, C)`.

    An MLP with an auxiliary loss is a RoutedMLP.
    """

    n_hidden: PositiveInt | None = None
    """The width between the two projections; null means the variant's usual multiple of n_embd."""

    @abc.abstractmethod
    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """The module for a model of these shapes; without `kernels` it uses `fused()`."""


class RoutedMLP(nn.Module, abc.ABC):
    """An MLP that treats tokens differently, such as a mixture of experts, and has a loss that balances their number."""

    @abc.abstractmethod
    def forward(self, x: Tensor, real: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (B, T, C) -> y (B, T, C) and an auxiliary loss, a scalar in nats a token, which training adds.

        real (B, T) is false for padding, which does not count in the loss; None: there is no padding.
        """


class FeedForward(nn.Module):
    """y = W_down activation(W_up x), the MLP of the 2017 transformer. A subclass chooses the activation."""

    cuts: ClassVar[dict[str, Cut]] = {"up_proj": "columns", "down_proj": "rows"}

    def __init__(self, shapes: Shapes, n_hidden: int | None, activation: Callable[[Tensor], Tensor], kernels: Kernels):
        """`n_hidden` is 4 n_embd if it is None."""
        super().__init__()
        n_hidden = n_hidden or 4 * shapes.n_embd
        self.activation = activation
        self.up_proj = Linear(shapes.n_embd, n_hidden, shapes.bias, kernels)
        self.down_proj = Linear(n_hidden, shapes.n_embd, shapes.bias, kernels, role="write")

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, C) -> (B, T, C)."""
        return self.down_proj(self.activation(self.up_proj(x)))


class GatedMLP(nn.Module):
    """y = W_down activation(W_gate x, W_up x): one projection scales the other, number by number (Shazeer, 2020)."""

    cuts: ClassVar[dict[str, Cut]] = {"gate_proj": "columns", "up_proj": "columns", "down_proj": "rows"}

    def __init__(
        self, shapes: Shapes, n_hidden: int | None, activation: Callable[[Tensor, Tensor], Tensor], kernels: Kernels
    ):
        """`n_hidden` is 8/3 n_embd, rounded up to a multiple of 32, if it is None: three projections cost as two did."""
        super().__init__()
        n_hidden = n_hidden or -(-8 * shapes.n_embd // 3 // 32) * 32
        self.activation = activation
        self.gate_proj = Linear(shapes.n_embd, n_hidden, shapes.bias, kernels)
        self.up_proj = Linear(shapes.n_embd, n_hidden, shapes.bias, kernels)
        self.down_proj = Linear(n_hidden, shapes.n_embd, shapes.bias, kernels, role="write")

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, C) -> (B, T, C)."""
        gate, up = project(x, self.gate_proj, self.up_proj)
        return self.down_proj(self.activation(gate, up))
