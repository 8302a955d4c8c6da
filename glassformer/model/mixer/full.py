"""Causal self-attention over all earlier tokens (Vaswani et al., 2017; grouped keys and values: Ainslie et al., 2023).

Sparse variants are subclasses. They differ in `visible(q_index, k_index)`, the rule that says which keys a query sees, and
in `fast`, a kernel that skips what the rule hides. A file that overrides `visible` alone is exact, and compares all pairs.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from glassformer.kernels import Kernels, fused
from glassformer.model.cache import KVCache, LayerCache
from glassformer.model.linear import Dropout, Linear, project
from glassformer.model.mixer import AttentionSettings
from glassformer.model.positions import Positions
from glassformer.model.roles import Cut
from glassformer.model.shapes import Shapes


class Config(AttentionSettings):
    """Every token sees itself and all tokens before it."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """Four projections: 2 C^2 (1 + G/H) parameters."""
        return Attention(shapes, self, kernels or fused())


class Attention(nn.Module):
    """Queries ask, keys answer, values are handed over, and the output projection writes into the stream."""

    causal: ClassVar[bool] = True
    """Whether `visible` is the causal rule and nothing else, which the kernel applies without a mask."""
    cuts: ClassVar[dict[str, Cut]] = {
        "q_proj": "columns", "k_proj": "columns", "v_proj": "columns", "q_norm": "shared", "k_norm": "shared",
        "o_proj": "rows",
    }  # fmt: skip

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A class that changes `visible` does not inherit what was written for another rule."""
        super().__init_subclass__(**kwargs)
        for name, exact in {"causal": False, "fast": Attention.fast, "make_cache": Attention.make_cache}.items():
            if _depth(cls, "visible") < _depth(cls, name):
                setattr(cls, name, exact)

    def __init__(self, shapes: Shapes, config: AttentionSettings, kernels: Kernels):
        super().__init__()
        self.kernels, self.head_dim = kernels, shapes.head_width
        width, key_width = shapes.n_head * shapes.head_width, shapes.key_heads * shapes.head_width
        bias = shapes.bias if config.qkv_bias is None else config.qkv_bias
        self.q_proj = Linear(shapes.n_embd, width, bias, kernels)
        self.k_proj = Linear(shapes.n_embd, key_width, bias, kernels)
        self.v_proj = Linear(shapes.n_embd, key_width, bias, kernels)
        self.o_proj = Linear(width, shapes.n_embd, shapes.bias, kernels, role="write")
        self.q_norm, self.k_norm = (_heads_norm(config, shapes, n, kernels) for n in (shapes.n_head, shapes.key_heads))
        self.pattern_dropout = Dropout(shapes.dropout, kernels)

    def forward(self, x: Tensor, positions: Positions, cache: Any = None) -> Tensor:
        """x (B, T, C) -> (B, T, C)."""
        projected = project(x, self.q_proj, self.k_proj, self.v_proj)
        q, k, v = (t.unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for t in projected)  # (B, heads, T, D)
        q, k = self.q_norm(q).to(v.dtype), self.k_norm(k).to(v.dtype)  # a norm may return wider numbers
        q, k = positions.rotate_for_softmax(q, k)
        y = self.attend(q, k, v, positions, cache)  # (B, H, T, D)
        return self.o_proj(y.transpose(1, 2).flatten(2))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, positions: Positions, cache: Any) -> Tensor:
        """q (B, H, T, D), k and v (B, G, T, D) -> (B, H, T, D); keys and values of earlier calls come from the cache."""
        k_index = positions.index
        if cache is not None:
            k, v, *held = cache.append(k, v, positions)  # (B, G, S, D)
            k_index = held[0] if held else torch.arange(k.shape[2], device=k.device)
        y = self.fast(q, k, v, positions)
        if y is not None:
            return y
        visible = None if self._kernel_knows(positions) else positions.visible(k_index, self.visible)
        bias, dropout = positions.bias(k_index), self.pattern_dropout.probability
        return self.kernels.attention(q, k, v, visible=visible, bias=bias, dropout_p=dropout)

    def visible(self, q_index: Tensor, k_index: Tensor) -> Tensor:
        """Whether the query at q_index may see the key at k_index, elementwise."""
        return k_index <= q_index

    def fast(self, q: Tensor, k: Tensor, v: Tensor, positions: Positions) -> Tensor | None:
        """The same with less work, by a kernel that knows the rule: (B, H, T, D), or None where it does not apply.

        k and v (B, G, S, D) include those of the cache.
        """
        return None

    def from_the_beginning(
        self, kernel: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, positions: Positions, *sizes: int
    ) -> Tensor | None:
        """`fast` with a kernel whose rule counts the tokens of each text from 0: None unless the rows begin there."""
        if positions.start != 0:
            return None
        return kernel(
            q, k, v, *sizes, bias=positions.bias_from(0), documents=positions.documents,
            dropout_p=self.pattern_dropout.probability,
        )  # fmt: skip

    def make_cache(self, rows: int, length: int) -> LayerCache:
        """Room for `length` keys and values per slot."""
        return KVCache(rows, length)

    def _kernel_knows(self, positions: Positions) -> bool:
        """Whether the rule is what `kernels.attention` applies without a mask: the last query stands at the last key."""
        return self.causal and positions.start is not None and positions.documents is None


class AllHeads(nn.Module):
    """Normalises all heads of a token together."""

    def __init__(self, norm: nn.Module):
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """x (B, heads, T, D) -> the same shape."""
        x = x.transpose(1, 2)  # (B, T, heads, D)
        return self.norm(x.flatten(2)).view(x.shape).transpose(1, 2)


def _heads_norm(config: AttentionSettings, shapes: Shapes, n_heads: int, kernels: Kernels) -> nn.Module:
    """The norm of queries or keys (B, heads, T, D)."""
    together = config.qk_norm_over == "all_heads"
    width = shapes.head_width * (n_heads if together else 1)
    norm = config.qk_norm.build(Shapes(n_embd=width, n_head=1, bias=shapes.bias), kernels)
    return AllHeads(norm) if together else norm


def _depth(cls: type, name: str) -> int:
    """How far up the ancestors the attribute is defined: 0 for the class itself."""
    return next(depth for depth, ancestor in enumerate(cls.__mro__) if name in vars(ancestor))
