"""Post-norm (Vaswani et al., 2017): the sum itself is normalised. The original; deep stacks need warmup to train."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from glassformer.model.block import Block
from glassformer.model.positions import Positions
from glassformer.model.residual import Residual


class Post(Residual):
    """The choice of the 2017 transformer; each block ends in a norm, so no other follows the last one."""

    def build(self, mixer: nn.Module, mlp: nn.Module, norm: Callable[[], nn.Module], dropout: nn.Module) -> Block:
        """A PostNormBlock."""
        return PostNormBlock(norm(), mixer, norm(), mlp, dropout)

    def final(self, norm: Callable[[], nn.Module]) -> nn.Module:
        """Nothing."""
        return nn.Identity()


class PostNormBlock(Block):
    """x = norm(x + mixer(x)); x = norm(x + mlp(x))."""

    def forward(self, x: Tensor, positions: Positions, cache: Any = None) -> tuple[Tensor, Tensor | None]:
        """See Block.forward."""
        x = self.mixer_norm(x + self.dropout(self.mixer(x, positions, cache)))
        y, auxiliary = self.feed_forward(x, positions)
        return self.mlp_norm(x + self.dropout(y)), auxiliary
