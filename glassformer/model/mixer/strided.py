"""Strided sparse attention (Sparse Transformer: Child et al., 2019): the neighbours, and every stride-th token before.

Two layers connect any two tokens: one step of a multiple of `stride`, and one step among the neighbours. With both near
sqrt(T) the work is T sqrt(T). Every key will be seen again, so the cache is that of `full`.
"""

from pydantic import PositiveInt
from torch import Tensor, nn

from glassformer.kernels import Kernels, fused, strided
from glassformer.model.mixer import AttentionSettings
from glassformer.model.mixer.full import Attention
from glassformer.model.positions import Positions
from glassformer.model.shapes import Shapes


class Config(AttentionSettings):
    """Every token sees `window` tokens and, before them, those a multiple of `stride` back."""

    window: PositiveInt = 64
    """How many neighbours a token sees, itself included."""
    stride: PositiveInt = 64
    """The distance between the farther tokens that it sees; at most `window`, so that every token can be reached."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """As many parameters as `full`."""
        return StridedAttention(shapes, self, kernels or fused())


class StridedAttention(Attention):
    """Attention to the neighbours and to every stride-th token before them."""

    def __init__(self, shapes: Shapes, config: Config, kernels: Kernels):
        super().__init__(shapes, config, kernels)
        self.sizes = (config.window, config.stride)

    def visible(self, q_index: Tensor, k_index: Tensor) -> Tensor:
        """See Attention.visible."""
        return strided.visible(q_index, k_index, *self.sizes)

    def fast(self, q: Tensor, k: Tensor, v: Tensor, positions: Positions) -> Tensor | None:
        """T (window + T/stride) work, for a text from its beginning."""
        return self.from_the_beginning(self.kernels.strided, q, k, v, positions, *self.sizes)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return "window={}, stride={}".format(*self.sizes)
