"""Sliding-window attention (Beltagy et al., 2020; Mistral 7B: Jiang et al., 2023).

Each layer looks `window` tokens back, so n_layer of them reach n_layer x window. Work and memory grow with the length
instead of its square, and a cache holds `window` keys however long the text becomes.
"""

from typing import Any

from pydantic import PositiveInt
from torch import Tensor, nn

from glassformer.config import slot
from glassformer.kernels import Kernels, sliding_window
from glassformer.model.cache import LayerCache, WindowCache
from glassformer.model.mixer import Mixer
from glassformer.model.mixer.full import Attention
from glassformer.model.norm import Norm
from glassformer.model.positions import Positions
from glassformer.model.shapes import Shapes


class Sliding(Mixer):
    """Every token sees itself and the window - 1 tokens before it."""

    window: PositiveInt = 256
    """How many tokens a token sees, itself included."""
    qk_norm: Norm = slot("none")
    """A norm of each head's queries and keys, as in `full`."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """The parameters of `full`."""
        return SlidingAttention(shapes, self.qk_norm, self.window, kernels)


class SlidingAttention(Attention):
    """Attention with a shorter view."""

    def __init__(self, shapes: Shapes, qk_norm: Norm, window: int, kernels: Kernels):
        super().__init__(shapes, qk_norm, kernels)
        self.window = window

    def visible(self, q_index: Tensor, k_index: Tensor) -> Tensor:
        """Elementwise; -1 is an empty slot of the cache."""
        return sliding_window.visible(q_index, k_index, self.window) & (k_index >= 0)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, positions: Positions, cache: Any) -> Tensor:
        """Rows that stand together in chunks, T x window work; a ragged or a single step with a mask."""
        k_index = positions.index
        if cache is not None:
            k, v, k_index = cache.append(k, v, positions)
        T, S = q.shape[2], k.shape[2]
        if positions.start is None or T == 1:
            return self.masked(q, k, v, positions, k_index, positions.visible(k_index, self.visible))
        return self.kernels.sliding_window(
            q, k, v, self.window, bias=positions.bias_from(positions.end - S), documents=positions.documents,
            dropout_p=self.pattern_dropout.probability,
        )  # fmt: skip

    def make_cache(self, rows: int, length: int) -> LayerCache:
        """Room for `window` keys and values per slot."""
        return WindowCache(rows, length, self.window)
