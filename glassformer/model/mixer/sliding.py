"""Sliding-window attention (Beltagy et al., 2020; Mistral 7B: Jiang et al., 2023).

Each layer looks `window` tokens back, so n_layer of them reach n_layer x window. Work and memory grow with the length
instead of its square, and a cache holds `window` keys however long the text becomes.
"""

from pydantic import PositiveInt
from torch import Tensor, nn

from glassformer.kernels import Kernels, fused, sliding_window
from glassformer.model.cache import LayerCache, WindowCache
from glassformer.model.mixer import AttentionSettings
from glassformer.model.mixer.full import Attention
from glassformer.model.positions import Positions
from glassformer.model.shapes import Shapes


class Config(AttentionSettings):
    """Every token sees itself and the window - 1 tokens before it."""

    window: PositiveInt = 256
    """How many tokens a token sees, itself included."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """As many parameters as `full`."""
        return SlidingWindowAttention(shapes, self, kernels or fused())

    def reach(self) -> int:
        """See Mixer."""
        return self.window


class SlidingWindowAttention(Attention):
    """Attention to the last `window` tokens."""

    def __init__(self, shapes: Shapes, config: Config, kernels: Kernels):
        super().__init__(shapes, config, kernels)
        self.window = config.window

    def visible(self, q_index: Tensor, k_index: Tensor) -> Tensor:
        """See Attention.visible; -1 is an empty place of the cache."""
        return sliding_window.visible(q_index, k_index, self.window) & (k_index >= 0)

    def fast(self, q: Tensor, k: Tensor, v: Tensor, positions: Positions) -> Tensor | None:
        """T x window work, for several tokens of rows that are at the same place."""
        T, S = q.shape[2], k.shape[2]
        if positions.start is None or T == 1:
            return None
        return self.kernels.sliding_window(
            q, k, v, self.window, bias=positions.bias_from(positions.end - S), documents=positions.documents,
            dropout_p=self.pattern_dropout.probability,
        )  # fmt: skip

    def make_cache(self, rows: int, length: int) -> LayerCache:
        """Room for `window` keys and values per slot."""
        return WindowCache(rows, length, self.window)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"window={self.window}"
