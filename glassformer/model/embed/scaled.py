"""One learned vector per token, multiplied by sqrt(C) (Vaswani et al., 2017, section 3.4; Gemma).

Rows that start with numbers of 0.02 then enter the stream with numbers near 1, while a tied head scores with the small
rows themselves.
"""

import math

from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.model.embed import Embed
from glassformer.model.embedding import Embedding
from glassformer.model.shapes import Shapes


class Config(Embed):
    """x_t = sqrt(C) W[id_t]."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """V C parameters."""
        return ScaledEmbedding(shapes.vocab_size, shapes.n_embd, kernels or fused())


class ScaledEmbedding(Embedding):
    """ids -> rows of `weight` (V, C), times sqrt(C)."""

    def forward(self, ids: Tensor) -> Tensor:
        """ids (...) -> (..., C)."""
        return super().forward(ids) * math.sqrt(self.weight.shape[1])
