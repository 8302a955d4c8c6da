"""Linear attention (Katharopoulos et al., 2020): attention whose weights are products of features, so that it adds up.

Softmax compares a query with every key, T x T of them. With weights phi(q) . phi(k) the keys can be added up first: work
grows with T, and the memory during generation is D x D numbers per head however much was read. The price is the sharp
choice of one key among many; `gated_deltanet` overwrites instead of adding and wins some of it back.

A position that rotates queries and keys rotates their features in the numerator only (Su et al., 2021, eq. 19). The
denominator must not vanish before the numerator does, so features stay positive. A position that biases scores has no
effect here.
"""

from collections.abc import Callable
from typing import ClassVar, Literal

from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.model.cache import StateCache
from glassformer.model.linear import Linear, project
from glassformer.model.mixer import Mixer
from glassformer.model.positions import Positions
from glassformer.model.roles import Cut
from glassformer.model.shapes import Shapes

FLOOR = 0.1
"""Added to relu(x), as in the authors' code of Performers (Choromanski et al., 2021), where it is 0.001 (LOG.md)."""

FEATURES: dict[str, Callable[[Kernels, Tensor], Tensor]] = {
    "elu": lambda kernels, x: kernels.elu_plus_one(x),
    "relu": lambda kernels, x: kernels.relu(x) + FLOOR,
    "softmax": lambda kernels, x: kernels.softmax(x),  # a soft choice among the D features (Shen et al., 2021)
}


class Config(Mixer):
    """Every token adds to a sum and reads it: T times the work of one token."""

    feature: Literal["elu", "relu", "softmax"] = "elu"
    """phi, which makes queries and keys positive: elu(x) + 1, relu(x) + 0.1, or softmax over the head's numbers."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """Four projections, as many parameters as full attention."""
        return LinearAttention(shapes, self, kernels or fused())


class LinearAttention(nn.Module):
    """Attention without a softmax: features of queries and keys instead."""

    cuts: ClassVar[dict[str, Cut]] = {"q_proj": "columns", "k_proj": "columns", "v_proj": "columns", "o_proj": "rows"}

    def __init__(self, shapes: Shapes, config: Config, kernels: Kernels):
        super().__init__()
        self.kernels, self.phi, self.head_dim = kernels, FEATURES[config.feature], shapes.head_width
        width, key_width = shapes.n_head * shapes.head_width, shapes.key_heads * shapes.head_width
        self.q_proj = Linear(shapes.n_embd, width, shapes.bias, kernels)
        self.k_proj = Linear(shapes.n_embd, key_width, shapes.bias, kernels)
        self.v_proj = Linear(shapes.n_embd, key_width, shapes.bias, kernels)
        self.o_proj = Linear(width, shapes.n_embd, shapes.bias, kernels, role="write")

    def forward(self, x: Tensor, positions: Positions, cache: StateCache | None = None) -> Tensor:
        """x (B, T, C) -> (B, T, C)."""
        q, k, v = (
            t.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for t in project(x, self.q_proj, self.k_proj, self.v_proj)
        )  # (B, heads, T, D)
        q, k = self.phi(self.kernels, q), self.phi(self.kernels, k)
        if positions.real is not None:
            k = k * positions.real[:, None, :, None]  # padding adds nothing to a sum
        turned_q, turned_k = positions.rotate(q, k)
        turned = {} if turned_q is q else {"turned_q": turned_q, "turned_k": turned_k}
        state = cache.read(positions, len(x)) if cache else None
        y, *state = self.kernels.linear_attention(
            q, k, v, **turned, state=state, documents=positions.documents
        )  # (B, H, T, D)
        if cache is not None:
            cache.store(positions, *state)
        return self.o_proj(y.transpose(1, 2).flatten(2))

    def make_cache(self, rows: int, length: int) -> StateCache:
        """The two sums of every head; `length` does not matter."""
        return StateCache(rows)
