"""Pre-norm (Xiong et al., 2020): each part reads the stream through a norm, and the stream itself is a plain sum.

It trains stably at any depth. The sum grows from block to block, so one more norm follows the last block.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from glassformer.model.block import Block
from glassformer.model.positions import Positions
from glassformer.model.residual import Residual


class Pre(Residual):
    """The choice of GPT-2 and Llama."""

    def build(self, mixer: nn.Module, mlp: nn.Module, norm: Callable[[], nn.Module], dropout: nn.Module) -> Block:
        """A PreNormBlock."""
        return PreNormBlock(norm(), mixer, norm(), mlp, dropout)


class PreNormBlock(Block):
    """x = x + mixer(norm(x)); x = x + mlp(norm(x))."""

    def forward(self, x: Tensor, positions: Positions, cache: Any = None) -> tuple[Tensor, Tensor | None]:
        """See Block.forward."""
        x = x + self.dropout(self.mixer(self.mixer_norm(x), positions, cache))
        y, auxiliary = self.feed_forward(self.mlp_norm(x), positions)
        return x + self.dropout(y), auxiliary
