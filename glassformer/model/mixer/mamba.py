"""Mamba (Gu and Dao, 2023): a state-space model whose memory is chosen by what it reads, in place of attention.

    x, z = W_in stream                              two streams of E = expand C channels
    x = silu(conv(x))                               the last few tokens side by side
    dt, B, C = softplus(W_dt r + b_dt), B, C        where (r, B, C) = W_x x
    y = scan(x, dt, A, B, C) + D x                  kernels/selective_scan.py
    stream += W_o (y silu(z))

No two tokens are compared, so a token costs the same wherever it is, and generation needs E (N + W - 1) numbers of memory
per layer. The scan itself knows the order: a `position` that adds to the stream acts here, and one that rotates queries or
biases scores does not.
"""

from typing import ClassVar

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.kernels.precision import wide
from glassformer.kernels.short_convolution import tail_after
from glassformer.model.cache import StateCache
from glassformer.model.linear import Linear
from glassformer.model.mixer import Mixer
from glassformer.model.positions import Positions
from glassformer.model.recurrence import ShortConvolution, inverse_softplus
from glassformer.model.roles import Leaf, Role, fill_uniform
from glassformer.model.shapes import Shapes


class Config(Mixer):
    """A recurrence trained in parallel. About 6 C^2 parameters with the defaults, where full attention has 4 C^2."""

    n_state: PositiveInt = 16
    """N, the size of each channel's state."""
    expand: PositiveInt = 2
    """The number of channels per dimension of the stream: E = expand C."""
    conv_width: PositiveInt = 4
    """How many tokens the convolution sees, the token itself included."""
    dt_rank: PositiveInt | None = None
    """Numbers from which all channels' step sizes are computed; null means C / 16, rounded up."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """The module for a model of these shapes; heads do not matter."""
        return Mamba(shapes, self, kernels or fused())


class Mamba(Leaf):
    """Holds the projections, the convolution, and the parameters of the recurrence."""

    roles: ClassVar[dict[str, Role]] = {"A_log": "other", "D": "gain"}

    def __init__(self, shapes: Shapes, config: Config, kernels: Kernels):
        super().__init__()
        self.kernels, self.n_state = kernels, config.n_state
        self.rank = config.dt_rank or -(-shapes.n_embd // 16)
        width = config.expand * shapes.n_embd
        self.in_proj = Linear(shapes.n_embd, 2 * width, shapes.bias, kernels)
        self.conv = ShortConvolution(width, config.conv_width, kernels)
        self.x_proj = Linear(width, self.rank + 2 * config.n_state, False, kernels)
        self.dt = StepSize(self.rank, width, kernels)
        self.A_log = nn.Parameter(torch.empty(width * config.n_state))  # one dimension: no optimizer may decay it
        self.D = nn.Parameter(torch.empty(width))
        self.o_proj = Linear(width, shapes.n_embd, shapes.bias, kernels, role="write")
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """A is 1 to N in every channel (S4D-real), D is 1."""
        self.A_log.copy_(torch.arange(1, self.n_state + 1.0).log().repeat(len(self.D)))
        nn.init.ones_(self.D)

    def forward(self, x: Tensor, positions: Positions, cache: StateCache | None = None) -> Tensor:
        """x (B, T, C) -> (B, T, C)."""
        tail, state = (cache and cache.read(positions, len(x))) or (None, None)
        inner, z = self.in_proj(x).chunk(2, -1)  # (B, T, E)
        u = self.conv(inner, tail, positions.documents)
        r, B, C = self.x_proj(u).split([self.rank, self.n_state, self.n_state], -1)
        dt = self.dt(r)
        if positions.real is not None:
            dt = dt * positions.real[..., None]  # padding leaves the state unchanged
        A = -self.A_log.to(dt.dtype).exp().unflatten(0, (-1, self.n_state))  # (E, N)
        y, state = self.kernels.selective_scan(u, dt, A, B, C, self.D, state, positions.documents)
        if cache is not None:
            cache.store(positions, tail_after(inner, self.conv.width, tail, positions.counts), state)
        return self.o_proj(self.kernels.swiglu(z, y))

    def make_cache(self, rows: int, length: int) -> StateCache:
        """The last inputs of the convolution and the state; `length` does not matter."""
        return StateCache(rows)


class StepSize(Leaf):
    """dt = softplus(W r + b)."""

    roles: ClassVar[dict[str, Role]] = {"weight": "matrix", "bias": "bias"}

    def __init__(self, rank: int, width: int, kernels: Kernels):
        super().__init__()
        self.kernels = kernels
        self.weight = nn.Parameter(torch.empty(width, rank))
        self.bias = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Steps from 0.001 to 0.1, so that channels remember from ten tokens to a thousand; W evenly as in the paper's
        code, so that no step strays far from its bias."""
        fill_uniform(self.weight, self.weight.shape[1] ** -0.5)
        self.bias.copy_(inverse_softplus(torch.logspace(-3, -1, len(self.bias))))

    def forward(self, r: Tensor) -> Tensor:
        """r (B, T, rank) -> dt (B, T, E) > 0 in float32 or wider."""
        a = self.kernels.linear(r, self.weight)
        return self.kernels.softplus(wide(a) + self.bias)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return "{1}, {0}".format(*self.weight.shape)
