"""Embed: how token ids become the first vectors of the residual stream."""

import abc
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from glassformer.config import Variant
from glassformer.kernels import Kernels
from glassformer.model.cache import LayerCache
from glassformer.model.positions import Positions
from glassformer.model.shapes import Shapes


class Embed(Variant):
    """Builds a module with `forward(ids (B, T)) -> (B, T, C)` and a `weight` (V, C) that a tied head can share."""

    @abc.abstractmethod
    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """The module for a model of these shapes; without `kernels` it uses `fused()`."""


@runtime_checkable
class SeesBefore(Protocol):
    """An embedding that depends on the tokens before as well, as that of n-grams does: `forward(ids, before)`."""

    def before(self, ids: Tensor, positions: Positions, cache: Any = None) -> Tensor:
        """What `forward` must know of the tokens before each of ids (B, T); with a `cache`, of earlier calls too."""
        ...

    def make_cache(self, rows: int, length: int) -> LayerCache:
        """The memory of `rows` texts of at most `length` tokens."""
        ...
