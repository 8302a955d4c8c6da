"""One block: a mixer gathers, an MLP thinks, and both write into the residual stream.

Where the norms stand is the choice of a `residual/` variant, which is a subclass with two sentences in `forward`.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from glassformer.model.positions import Positions


class Block(nn.Module):
    """The parts, named. `norm()` makes a new norm; a subclass says in what order they act."""

    def __init__(self, mixer: nn.Module, mlp: nn.Module, norm: Callable[[], nn.Module], dropout: nn.Module):
        super().__init__()
        self.mixer_norm = norm()
        self.mixer = mixer
        self.mlp_norm = norm()
        self.mlp = mlp
        self.dropout = dropout

    def forward(self, x: Tensor, positions: Positions, cache: Any = None) -> Tensor:
        """x (B, T, C) -> (B, T, C)."""
        raise NotImplementedError("a variant in model/residual/ writes this")
