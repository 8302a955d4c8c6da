"""Block-sparse attention: the neighbouring blocks and the first ones (Beltagy et al., 2020; Zaheer et al., 2020).

The beginning of a text often says what all of it is about; here every token keeps it in sight, and between the
beginning and its own neighbourhood it sees nothing. The cache holds just those blocks.
"""

from typing import Any

from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from glassformer.config import slot
from glassformer.kernels import Kernels, block_sparse
from glassformer.model.cache import LayerCache, WindowCache
from glassformer.model.mixer import Mixer
from glassformer.model.mixer.full import Attention
from glassformer.model.norm import Norm
from glassformer.model.positions import Positions
from glassformer.model.shapes import Shapes


class Blocks(Mixer):
    """Every token sees its own block up to itself, `before` blocks before that, and the `first` blocks."""

    block: PositiveInt = 64
    """The size of a block in tokens."""
    before: NonNegativeInt = 1
    """How many blocks before its own a token sees."""
    first: NonNegativeInt = 1
    """How many blocks at the beginning of the document all tokens see."""
    qk_norm: Norm = slot("none")
    """A norm of each head's queries and keys, as in `full`."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """The parameters of `full`."""
        return BlockAttention(shapes, self, kernels)


class BlockAttention(Attention):
    """Attention by blocks."""

    def __init__(self, shapes: Shapes, config: Blocks, kernels: Kernels):
        super().__init__(shapes, config.qk_norm, kernels)
        self.sizes = (config.block, config.before, config.first)

    def visible(self, q_index: Tensor, k_index: Tensor) -> Tensor:
        """Elementwise; -1 is an empty slot of the cache."""
        return block_sparse.visible(q_index, k_index, *self.sizes) & (k_index >= 0)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, positions: Positions, cache: Any) -> Tensor:
        """A text from its beginning in blocks, T x block work; what continues a cache with a mask."""
        if cache is not None:
            keys, values, k_index = cache.append(k, v, positions)
            if positions.start != 0:
                visible = positions.visible(k_index, self.visible)
                return self.masked(q, keys, values, positions, k_index, visible)
        return self.kernels.block_sparse(
            q, k, v, *self.sizes, bias=positions.bias_from(0), documents=positions.documents,
            dropout_p=self.pattern_dropout.probability,
        )  # fmt: skip

    def make_cache(self, rows: int, length: int) -> LayerCache:
        """Room for the blocks that one token sees."""
        block, before, first = self.sizes
        return WindowCache(rows, length, (before + 1) * block, first * block)
