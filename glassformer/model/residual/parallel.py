"""Parallel residual (GPT-J: Wang and Komatsuzaki, 2021; GPT-NeoX: Black et al., 2022): mixer and MLP read the same stream.

The two parts of a block can then be computed at the same time, and their matrices can be joined. Large models lose little
by it (PaLM: Chowdhery et al., 2022, section 2).
"""

from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor, nn

from glassformer.model.block import Block
from glassformer.model.positions import Positions
from glassformer.model.residual import Residual


class Parallel(Residual):
    """Pre-norm with both parts side by side."""

    n_norm: Literal[1, 2] = 2
    """2: mixer and MLP have norms of their own (GPT-NeoX). 1: they share one (GPT-J, Falcon, Phi)."""

    def build(self, mixer: nn.Module, mlp: nn.Module, norm: Callable[[], nn.Module], dropout: nn.Module) -> Block:
        """A ParallelBlock."""
        if self.n_norm == 2:
            return ParallelBlock(norm(), mixer, norm(), mlp, dropout)
        return SharedNormBlock(norm(), mixer, nn.Identity(), mlp, dropout)


class ParallelBlock(Block):
    """x = x + mixer(norm(x)) + mlp(norm'(x))."""

    def forward(self, x: Tensor, positions: Positions, cache: Any = None) -> tuple[Tensor, Tensor | None]:
        """See Block.forward."""
        mixed = self.mixer(self.mixer_norm(x), positions, cache)
        y, auxiliary = self.feed_forward(self.mlp_norm(x), positions)
        return x + self.dropout(mixed) + self.dropout(y), auxiliary


class SharedNormBlock(Block):
    """h = norm(x); x = x + mixer(h) + mlp(h)."""

    def forward(self, x: Tensor, positions: Positions, cache: Any = None) -> tuple[Tensor, Tensor | None]:
        """See Block.forward."""
        h = self.mixer_norm(x)
        mixed = self.mixer(h, positions, cache)
        y, auxiliary = self.feed_forward(h, positions)
        return x + self.dropout(mixed) + self.dropout(y), auxiliary
