"""Linear attention (Katharopoulos et al., 2020): attention whose weights are products of features, so that it adds up.

Softmax compares a query with every key, T x T of them. With weights phi(q) . phi(k) the keys can be added up first: work
grows with T, and the memory of a model that writes is D x D numbers a head however much it has read. What is lost is the
sharp choice of one key among many; `gated_deltanet` overwrites instead of adding and wins some of it back.

A position that turns queries and keys turns their features, and above the line only (Su et al., 2021, eq. 19). What is
below must then not vanish before what is above does, so features stay positive. One that biases scores has none here.
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from glassformer.kernels import Kernels
from glassformer.model.cache import StateCache
from glassformer.model.linear import Linear, narrowed
from glassformer.model.mixer import Mixer
from glassformer.model.positions import Positions
from glassformer.model.shapes import Shapes

FLOOR = 0.1
"""Added to relu(x), as in the authors' code of Performers (Choromanski et al., 2021), where it is 0.001 (LOG.md)."""
FEATURES: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": lambda x: F.relu(x) + x.clamp(max=0).exp(),  # elu(x) + 1, that is x + 1 or e^x, exact near 0 in bfloat16
    "relu": lambda x: F.relu(x) + FLOOR,
    "softmax": lambda x: x.softmax(-1),  # a soft choice among the D features (Shen et al., 2021)
}


class LinearAttention(Mixer):
    """Every token adds to a sum and asks it; T times the work of one token."""

    feature: Literal["elu", "relu", "softmax"] = "elu"
    """phi, which makes queries and keys positive: elu(x) + 1, relu(x) + 0.1, or softmax over the head's numbers."""

    def build(self, shapes: Shapes, kernels: Kernels) -> nn.Module:
        """Four projections, as many parameters as full attention."""
        return Summing(shapes, FEATURES[self.feature], kernels)


class Summing(nn.Module):
    """Ask (q), offer (k), hand over (v), write back (o)."""

    def __init__(self, shapes: Shapes, feature: Callable[[Tensor], Tensor], kernels: Kernels):
        super().__init__()
        self.kernels, self.feature, self.head_dim = kernels, feature, shapes.head_dim
        width, key_width = shapes.n_head * shapes.head_dim, shapes.key_heads * shapes.head_dim
        self.q_proj = Linear(shapes.n_embd, width, shapes.bias, kernels)
        self.k_proj = Linear(shapes.n_embd, key_width, shapes.bias, kernels)
        self.v_proj = Linear(shapes.n_embd, key_width, shapes.bias, kernels)
        self.o_proj = Linear(width, shapes.n_embd, shapes.bias, kernels, role="write")

    def forward(self, x: Tensor, positions: Positions, cache: StateCache | None = None) -> Tensor:
        """x (B, T, C) -> (B, T, C)."""
        x = narrowed(x)
        q, k, v = (
            proj(x).unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for proj in (self.q_proj, self.k_proj, self.v_proj)
        )  # (B, heads, T, D)
        q, k = self.feature(q), self.feature(k)
        if positions.real is not None:
            k = k * positions.real[:, None, :, None]  # nothing offered: padding is in no sum
        turned_q, turned_k = positions.rotate(q, k)
        turned = {} if turned_q is q else {"turned_q": turned_q, "turned_k": turned_k}
        y, *state = self.kernels.linear_attention(
            q, k, v, **turned, state=cache.read(positions, len(x)) if cache else None, documents=positions.documents
        )  # (B, H, T, D)
        if cache is not None:
            cache.store(positions, *state)
        return self.o_proj(y.transpose(1, 2).flatten(2))

    def make_cache(self, rows: int, length: int) -> StateCache:
        """The two sums of every head; `length` does not matter."""
        return StateCache(rows)
