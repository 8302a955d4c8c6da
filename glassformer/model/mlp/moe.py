"""Mixture of experts (Shazeer et al., 2017; as in Mixtral, Jiang et al., 2024): many MLPs, a few of them for each token.

A router scores the experts, and a token passes through the `n_active` with the best scores. No token is dropped, however
many choose the same expert; a load-balancing loss (kernels/route.py) keeps all experts in use.
"""

from typing import ClassVar, Self

import torch
from pydantic import NonNegativeFloat, PositiveInt, model_validator
from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.kernels.precision import full_precision
from glassformer.model.linear import Linear
from glassformer.model.mlp import MLP, GatedMLP, RoutedMLP
from glassformer.model.roles import Cut
from glassformer.model.shapes import Shapes


class Config(MLP):
    """SwiGLU experts; `n_hidden` is the width of one of them."""

    n_expert: PositiveInt = 4
    """E, how many experts there are."""
    n_active: PositiveInt = 2
    """k, how many of them read a token."""
    aux_loss_weight: NonNegativeFloat = 0.01
    """The weight of the load-balancing loss, which is 1 when all experts are used alike (Switch Transformer: 0.01)."""

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.n_active > self.n_expert:
            raise ValueError(f"n_active={self.n_active} is more than n_expert={self.n_expert}; lower it")
        return self

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """E experts and a router of E C parameters; without `n_hidden` the k active ones cost one SwiGLU's 8 C^2."""
        n_hidden = self.n_hidden or -(-8 * shapes.n_embd // 3 // self.n_active // 32) * 32
        return MoE(shapes, self.model_copy(update={"n_hidden": n_hidden}), kernels or fused())


class MoE(RoutedMLP):
    """The router and its experts."""

    cuts: ClassVar[dict[str, Cut]] = {"router": "whole", "experts": "inside"}

    def __init__(self, shapes: Shapes, config: Config, kernels: Kernels):
        super().__init__()
        self.kernels, self.n_active, self.aux_loss_weight = kernels, config.n_active, config.aux_loss_weight
        self.router = Linear(shapes.n_embd, config.n_expert, False, kernels)
        self.experts = nn.ModuleList(
            GatedMLP(shapes, config.n_hidden, kernels.swiglu, kernels) for _ in range(config.n_expert)
        )

    def forward(self, x: Tensor, real: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See RoutedMLP. Each expert reads all its tokens at once; a token's output is the weighted sum of its experts'."""
        shape, x = x.shape, x.flatten(0, -2)  # (N, C)
        with full_precision(x.device):  # rounding a score to 16 bits would change the choice
            scores = self.router(x.to(self.router.weight.dtype))
            counted = None if real is None else real.flatten()
            shares, chosen, balance = self.kernels.route(scores, self.n_active, counted)  # (N, k), (N, k), ()
        loss = self.aux_loss_weight * balance
        if x.is_meta:
            return self._all(x, shares, chosen).view(shape), loss
        y = torch.zeros_like(x)
        for e, expert in enumerate(self.experts):
            token, rank = (chosen == e).nonzero(as_tuple=True)  # (n,), (n,)
            y = y.index_add(0, token, (expert(x[token]) * shares[token, rank, None]).to(y.dtype))
        return y.view(shape), loss

    def _all(self, x: Tensor, shares: Tensor, chosen: Tensor) -> Tensor:
        """Every expert reads every token: for the meta device, where the chosen experts are unknown."""
        weight = torch.zeros(len(x), len(self.experts), device=x.device, dtype=shares.dtype).scatter(1, chosen, shares)
        return torch.stack([e(x) * weight[:, i : i + 1] for i, e in enumerate(self.experts)]).sum(0).to(x.dtype)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{self.n_active} of {len(self.experts)} experts per token"
