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
        """A block around these parts; `norm()` makes a norm."""

    @abc.abstractmethod
    def final(self, norm: Callable[[], nn.Module]) -> nn.Module:
        """What stands between the last block and the head."""
