"""Sandwich norm (Ding et al., 2021, "CogView", section 3.3): a norm before each part and another after it, before the sum.

Gemma 2's choice: no part can add large numbers to the stream, however large its weights have grown.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from glassformer.model.block import Block
from glassformer.model.positions import Positions
from glassformer.model.residual import Residual


class Sandwich(Residual):
    """Pre-norm with two more norms per block."""

    def build(self, mixer: nn.Module, mlp: nn.Module, norm: Callable[[], nn.Module], dropout: nn.Module) -> Block:
        """A SandwichNormBlock."""
        block = SandwichNormBlock(norm(), mixer, norm(), mlp, dropout)
        block.mixer_out_norm, block.mlp_out_norm = norm(), norm()
        return block


class SandwichNormBlock(Block):
    """x = x + norm(mixer(norm(x))); x = x + norm(mlp(norm(x)))."""

    mixer_out_norm: nn.Module
    mlp_out_norm: nn.Module

    def forward(self, x: Tensor, positions: Positions, cache: Any = None) -> tuple[Tensor, Tensor | None]:
        """See Block.forward."""
        x = x + self.dropout(self.mixer_out_norm(self.mixer(self.mixer_norm(x), positions, cache)))
        y, auxiliary = self.feed_forward(self.mlp_norm(x), positions)
        return x + self.dropout(self.mlp_out_norm(y)), auxiliary
