"""Res-post-norm (Liu et al., 2021, "Swin Transformer V2"; OLMo 2, 2024): the output of each part is normalised, then added.

The stream is a plain sum, as with `pre`, but each part reads it without a norm. OLMo 2 found it more stable than pre-norm
together with a norm of queries and keys.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from glassformer.model.block import Block
from glassformer.model.positions import Positions
from glassformer.model.residual import Residual


class ResPost(Residual):
    """The choice of OLMo 2."""

    def build(self, mixer: nn.Module, mlp: nn.Module, norm: Callable[[], nn.Module], dropout: nn.Module) -> Block:
        """A ResPostNormBlock."""
        return ResPostNormBlock(norm(), mixer, norm(), mlp, dropout)


class ResPostNormBlock(Block):
    """x = x + norm(mixer(x)); x = x + norm(mlp(x))."""

    def forward(self, x: Tensor, positions: Positions, cache: Any = None) -> tuple[Tensor, Tensor | None]:
        """See Block.forward."""
        x = x + self.dropout(self.mixer_norm(self.mixer(x, positions, cache)))
        y, auxiliary = self.feed_forward(x, positions)
        return x + self.dropout(self.mlp_norm(y)), auxiliary
