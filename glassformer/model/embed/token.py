"""One learned vector per token."""

from torch import nn

from glassformer.kernels import Kernels, fused
from glassformer.model.embed import Embed
from glassformer.model.embedding import Embedding
from glassformer.model.shapes import Shapes


class Config(Embed):
    """x_t = W[id_t]."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """An Embedding of V rows."""
        return Embedding(shapes.vocab_size, shapes.n_embd, kernels or fused())
