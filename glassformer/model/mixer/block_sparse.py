"""Block-sparse attention: the neighbouring blocks and the first ones (Beltagy et al., 2020; Zaheer et al., 2020).

The beginning of a text often says what all of it is about; here every token sees it, and between the beginning and its own
neighbourhood it sees nothing. The cache holds just those blocks.
"""

from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from glassformer.kernels import Kernels, block_sparse, fused
from glassformer.model.cache import LayerCache
from glassformer.model.mixer import AttentionSettings
from glassformer.model.mixer.full import Attention
from glassformer.model.positions import Positions
from glassformer.model.shapes import Shapes
from glassformer.model.window_cache import WindowCache


class Config(AttentionSettings):
    """Every token sees its own block up to itself, `before` blocks before that, and the `first` blocks."""

    block: PositiveInt = 64
    """The size of a block in tokens."""
    before: NonNegativeInt = 1
    """How many blocks before its own a token sees."""
    first: NonNegativeInt = 1
    """How many blocks at the beginning of the document all tokens see."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """As many parameters as `full`."""
        return BlockSparseAttention(shapes, self, kernels or fused())


class BlockSparseAttention(Attention):
    """Attention to the neighbouring and to the first blocks."""

    def __init__(self, shapes: Shapes, config: Config, kernels: Kernels):
        super().__init__(shapes, config, kernels)
        self.sizes = (config.block, config.before, config.first)

    def visible(self, q_index: Tensor, k_index: Tensor) -> Tensor:
        """See Attention.visible; -1 is an empty place of the cache."""
        return block_sparse.visible(q_index, k_index, *self.sizes) & (k_index >= 0)

    def fast(self, q: Tensor, k: Tensor, v: Tensor, positions: Positions) -> Tensor | None:
        """T x block work, for a text from its beginning."""
        return self.from_the_beginning(self.kernels.block_sparse, q, k, v, positions, *self.sizes)

    def make_cache(self, rows: int, length: int) -> LayerCache:
        """Room for the blocks that one token sees."""
        block, before, first = self.sizes
        return WindowCache(rows, length, (before + 1) * block, first * block)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return "block={}, before={}, first={}".format(*self.sizes)
