"""Gated DeltaNet (Yang et al., 2024): linear attention with a memory that fades and corrects itself.

`linear` only adds, and what was added stays. Here each token first reads what the memory holds under its key, and writes
the difference (kernels/gated_delta.py). Two more numbers per head, computed from the token, say how much is written (beta)
and how fast the rest fades (alpha). As in the paper, a short convolution comes before q, k and v, queries and keys have
length 1, and a gate decides how much of the output enters the stream. The paper also normalises the output of every head,
which bounds it. Here that is the setting `o_norm`, and off by default: the output of the first token is beta v (k . q), and
where k . q changes its sign a norm would jump from -1 to 1 (LOG.md).

A position that rotates queries and keys acts as in attention (their length stays); one that biases scores has no effect.
"""

from typing import ClassVar

import torch
from pydantic import NonNegativeInt
from torch import Tensor, nn

from glassformer.config import slot
from glassformer.kernels import Kernels, fused
from glassformer.kernels.precision import wide
from glassformer.kernels.short_convolution import tail_after
from glassformer.model.cache import StateCache
from glassformer.model.linear import Linear, project
from glassformer.model.mixer import Mixer
from glassformer.model.norm import Norm
from glassformer.model.positions import Positions
from glassformer.model.recurrence import ShortConvolution, inverse_softplus
from glassformer.model.roles import Leaf, Role
from glassformer.model.shapes import Shapes

EPS = 1e-6


class Config(Mixer):
    """A matrix of D x D numbers per key head, overwritten by key. About 5 C^2 parameters; full attention has 4 C^2."""

    conv_width: NonNegativeInt = 4
    """How many tokens the convolution before q, k and v sees; 0 for no convolution."""
    o_norm: Norm = slot("none")
    """A norm of each head's output before the gate: rmsnorm in the paper and in Qwen3-Next."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """The module for a model of these shapes."""
        return GatedDeltaNet(shapes, self, kernels or fused())


class GatedDeltaNet(Leaf):
    """Queries, keys and values; beta says how much is written, alpha how much is kept, the gate how much is read."""

    roles: ClassVar[dict[str, Role]] = {"A_log": "other", "dt_bias": "bias"}

    def __init__(self, shapes: Shapes, config: Config, kernels: Kernels):
        super().__init__()
        self.kernels, self.head_dim = kernels, shapes.head_width
        width, G = shapes.n_head * shapes.head_width, shapes.key_heads
        self.widths = [width, G * shapes.head_width, G * shapes.head_width]
        self.q_proj, self.k_proj, self.v_proj = (Linear(shapes.n_embd, n, shapes.bias, kernels) for n in self.widths)
        self.conv = ShortConvolution(sum(self.widths), config.conv_width, kernels) if config.conv_width else None
        self.beta_proj = Linear(shapes.n_embd, G, shapes.bias, kernels)
        self.alpha_proj = Linear(shapes.n_embd, G, False, kernels)
        self.A_log, self.dt_bias = nn.Parameter(torch.empty(G)), nn.Parameter(torch.empty(G))
        self.gate_proj = Linear(shapes.n_embd, width, shapes.bias, kernels)
        self.o_norm = config.o_norm.build(Shapes(n_embd=shapes.head_width, n_head=1, bias=shapes.bias), kernels)
        self.o_proj = Linear(width, shapes.n_embd, shapes.bias, kernels, role="write")
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Heads remember for a thousand tokens down to one: log alpha = -A softplus(... + dt_bias)."""
        G = len(self.A_log)
        self.A_log.copy_(torch.linspace(1, 16, G).log())
        self.dt_bias.copy_(inverse_softplus(torch.logspace(-3, -1, G)))

    def forward(self, x: Tensor, positions: Positions, cache: StateCache | None = None) -> Tensor:
        """x (B, T, C) -> (B, T, C)."""
        *tail, state = (cache and cache.read(positions, len(x))) or (None,)
        q, k, v, b, a, gate = project(
            x, self.q_proj, self.k_proj, self.v_proj, self.beta_proj, self.alpha_proj, self.gate_proj
        )
        qkv = torch.cat([q, k, v], -1)
        mixed = self.conv(qkv, tail[0] if tail else None, positions.documents) if self.conv else qkv
        q, k, v = (t.unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for t in mixed.split(self.widths, -1))
        q, k = positions.rotate(self._unit(q), self._unit(k))  # (B, heads, T, D)
        beta, log_alpha = self._gates(b, a, positions.real)
        y, state = self.kernels.gated_delta(q, k, v, beta, log_alpha, state, positions.documents)
        if cache is not None:
            after = [tail_after(qkv, self.conv.width, tail[0] if tail else None, positions.counts)] if self.conv else []
            cache.store(positions, *after, state)
        y = self.o_norm(y).to(y.dtype).transpose(1, 2).flatten(2)  # a norm may return wider numbers
        return self.o_proj(self.kernels.swiglu(gate, y))

    def make_cache(self, rows: int, length: int) -> StateCache:
        """The last inputs of the convolution and the memory; `length` does not matter."""
        return StateCache(rows)

    def _gates(self, b: Tensor, a: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor]:
        """b, a (B, T, G) -> beta and log alpha, (B, G, T) in float32 or wider. Padding changes nothing."""
        a = wide(a)
        beta = self.kernels.sigmoid(wide(b))
        log_alpha = -self.A_log.to(a.dtype).exp() * self.kernels.softplus(a + self.dt_bias)
        if real is not None:
            beta, log_alpha = beta * real[..., None], log_alpha * real[..., None]
        return beta.transpose(1, 2), log_alpha.transpose(1, 2)

    def _unit(self, t: Tensor) -> Tensor:
        """t / |t|: RMSNorm with a weight of 1 / sqrt(D)."""
        D = self.head_dim
        return self.kernels.rms_norm(t, t.new_full((D,), D**-0.5), EPS / D)
