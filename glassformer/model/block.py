"""One block: a mixer moves information between tokens, an MLP works on each token, and both add to the residual stream.

A `residual/` variant decides where the norms stand: it is a subclass whose `forward` is two lines.
"""

from typing import Any

from torch import Tensor, nn

from glassformer.model.mlp import RoutedMLP
from glassformer.model.positions import Positions


class Block(nn.Module):
    """Holds the parts of one block. A subclass says in which order they act."""

    def __init__(self, mixer_norm: nn.Module, mixer: nn.Module, mlp_norm: nn.Module, mlp: nn.Module, dropout: nn.Module):
        super().__init__()
        self.mixer_norm = mixer_norm
        self.mixer = mixer
        self.mlp_norm = mlp_norm
        self.mlp = mlp
        self.routed = isinstance(mlp, RoutedMLP)  # decided now: a wrapper around the MLP is none
        self.dropout = dropout

    def forward(self, x: Tensor, positions: Positions, cache: Any = None) -> tuple[Tensor, Tensor | None]:
        """x (B, T, C) -> the stream after this block, (B, T, C), and the MLP's auxiliary loss (a scalar) or None.

        The loss is returned and not stored, because activation checkpointing, FSDP and pipelines see only what a
        forward returns.
        """
        raise NotImplementedError("a variant in model/residual/ writes this")

    def feed_forward(self, x: Tensor, positions: Positions) -> tuple[Tensor, Tensor | None]:
        """x (B, T, C) -> the MLP's output (B, T, C), and its auxiliary loss or None."""
        y = self.mlp(x, positions.real) if self.routed else self.mlp(x)
        return y if isinstance(y, tuple) else (y, None)
