"""One learned vector per token."""

from torch import nn

from glassformer.kernels import Kernels
from glassformer.model.embed import Embed
from glassformer.model.embedding import Embedding
from glassformer.model.shapes import Shapes


class Token(Embed):
    """x_t = W[id_t]."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """An Embedding of V rows."""
        return Embedding(shapes.vocab_size, shapes.n_embd, kernels)
