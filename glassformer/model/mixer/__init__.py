"""Mixer: how a token gathers from the tokens before it.

The contract of the module that `build` returns, for attention, linear attention and state-space models alike:

    forward(x, positions, cache=None) -> x       (B, T, C) -> (B, T, C); the output at t depends on inputs up to t only
    make_cache(batch, length) -> cache           an empty memory for `length` tokens per row, with a `select(rows)`

With a cache, a call continues where the last one stopped, and prefill + decode equals one full forward.
"""

import abc

from torch import nn

from glassformer.config import Variant
from glassformer.kernels import Kernels
from glassformer.model.shapes import Shapes


class Mixer(Variant):
    """Builds a module with the contract above."""

    @abc.abstractmethod
    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """The module for a model of these shapes."""
