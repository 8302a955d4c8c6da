"""Residual: where a block's norms stand relative to the residual stream (He et al., 2016; Xiong et al., 2020)."""

import abc
from collections.abc import Callable

from torch import nn

from glassformer.config import Variant
from glassformer.model.block import Block


class Residual(Variant):
    """Builds blocks, and the norm that follows the last of them."""

    @abc.abstractmethod
    def build(self, mixer: nn.Module, mlp: nn.Module, norm: Callable[[], nn.Module], dropout: nn.Module) -> Block:
        """A block of these parts; each call of `norm()` makes a new norm."""

    def final(self, norm: Callable[[], nn.Module]) -> nn.Module:
        """The module between the last block and the head: one more norm, unless a variant needs none."""
        return norm()
