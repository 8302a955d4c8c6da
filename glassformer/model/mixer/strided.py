"""Strided sparse attention (Sparse Transformer: Child et al., 2019): the neighbours, and every stride-th token before.

Two layers connect any two tokens: one step of the stride's rhythm and one among the neighbours. With both near sqrt(T) the
work is T sqrt(T). All keys are needed again some day, so the cache is that of `full`.
"""

from typing import Any

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from glassformer.config import slot
from glassformer.kernels import Kernels, strided
from glassformer.model.mixer import Mixer
from glassformer.model.mixer.full import Attention
from glassformer.model.norm import Norm
from glassformer.model.positions import Positions
from glassformer.model.shapes import Shapes


class Strided(Mixer):
    """Every token sees `window` tokens and, before them, those a multiple of `stride` back."""

    window: PositiveInt = 64
    """How many neighbours a token sees, itself included."""
    stride: PositiveInt = 64
    """The distance between the tokens that it sees beyond; no more than the window, so that none is out of reach."""
    qk_norm: Norm = slot("none")
    """A norm of each head's queries and keys, as in `full`."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """The parameters of `full`."""
        return StridedAttention(shapes, self, kernels)


class StridedAttention(Attention):
    """Attention to the near and to a sample of the far."""

    def __init__(self, shapes: Shapes, config: Strided, kernels: Kernels):
        super().__init__(shapes, config.qk_norm, kernels)
        self.sizes = (config.window, config.stride)

    def visible(self, q_index: Tensor, k_index: Tensor) -> Tensor:
        """Elementwise."""
        return strided.visible(q_index, k_index, *self.sizes)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, positions: Positions, cache: Any) -> Tensor:
        """A text from its beginning with T (window + T/stride) work; what continues a cache with a mask."""
        if cache is not None:
            keys, values = cache.append(k, v, positions)
            if positions.start != 0:
                k_index = torch.arange(keys.shape[2], device=k.device)
                visible = positions.visible(k_index, self.visible)
                return self.masked(q, keys, values, positions, k_index, visible)
        return self.kernels.strided(
            q, k, v, *self.sizes, bias=positions.bias_from(0), documents=positions.documents,
            dropout_p=self.pattern_dropout.probability,
        )  # fmt: skip
