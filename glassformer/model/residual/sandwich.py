"""Sandwich norm (Ding et al., 2021, "CogView", section 3.3): a norm before each part and another behind it, before the
sum. Gemma 2's choice: no part can shout, however large its weights have grown."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from glassformer.model.block import Block
from glassformer.model.positions import Positions
from glassformer.model.residual import Residual


class Sandwich(Residual):
    """Pre-norm with two more norms a block."""

    def build(self, mixer: nn.Module, mlp: nn.Module, norm: Callable[[], nn.Module], dropout: nn.Module) -> Block:
        """A SandwichBlock."""
        return SandwichBlock(mixer, mlp, norm, dropout)

    def final(self, norm: Callable[[], nn.Module]) -> nn.Module:
        """One more norm."""
        return norm()


class SandwichBlock(Block):
    """Read through a norm, write through a norm."""

    def __init__(self, mixer: nn.Module, mlp: nn.Module, norm: Callable[[], nn.Module], dropout: nn.Module):
        super().__init__(mixer, mlp, norm, dropout)
        self.mixer_out_norm, self.mlp_out_norm = norm(), norm()

    def forward(self, x: Tensor, positions: Positions, cache: Any = None) -> tuple[Tensor, Tensor | None]:
        """See Block.forward."""
        x = x + self.dropout(self.mixer_out_norm(self.mixer(self.mixer_norm(x), positions, cache)))
        y, auxiliary = self.think(self.mlp_norm(x))
        return x + self.dropout(self.mlp_out_norm(y)), auxiliary
