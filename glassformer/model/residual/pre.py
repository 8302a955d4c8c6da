"""Pre-norm (Xiong et al., 2020): norms stand on the branches, so the stream itself is a plain sum. Trains stably."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from glassformer.model.block import Block
from glassformer.model.positions import Positions
from glassformer.model.residual import Residual


class Pre(Residual):
    """GPT-2's and Llama's choice; needs a last norm because the sum grows with depth."""

    def build(self, mixer: nn.Module, mlp: nn.Module, norm: Callable[[], nn.Module], dropout: nn.Module) -> Block:
        """A PreBlock."""
        return PreBlock(mixer, mlp, norm, dropout)

    def final(self, norm: Callable[[], nn.Module]) -> nn.Module:
        """One more norm."""
        return norm()


class PreBlock(Block):
    """Read through a norm, write to the plain stream."""

    def forward(self, x: Tensor, positions: Positions, cache: Any = None) -> tuple[Tensor, Tensor | None]:
        """See Block.forward."""
        x = x + self.dropout(self.mixer(self.mixer_norm(x), positions, cache))
        y, auxiliary = self.think(self.mlp_norm(x))
        return x + self.dropout(y), auxiliary
