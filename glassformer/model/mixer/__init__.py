"""Mixer: how a token gathers information from the tokens before it.

The contract of the module that `build` returns, for attention, linear attention and state-space models alike:

    forward(x, positions, cache=None) -> y       (B, T, C) -> (B, T, C); the output at t depends on inputs up to t only
    make_cache(rows, length) -> cache            an empty memory of `rows` slots for `length` tokens each (a LayerCache)

With a cache, a call continues where the last one stopped, and prefill + decode equals one full forward. `positions` says
where the tokens of the call stand. Two of its fields must be respected where they are not None:

    positions.documents   (B, T) numbers the documents packed into each row: no token may learn anything of another one
    positions.real        (B, T) is false for padding on the right: no token, in this call or a later one, may depend on it

`positions.visible` hides other documents as well as what a rule hides, and a cache of keys hides padding by itself; a
mixer with a state must handle both. `positions.rotate` rotates queries and keys by position, and
`positions.rotate_for_softmax` those that a softmax compares.
"""

import abc
from typing import Literal

from torch import nn

from glassformer.config import Variant, slot
from glassformer.kernels import Kernels
from glassformer.model.norm import Norm
from glassformer.model.shapes import Shapes


class Mixer(Variant):
    """Builds a module with the contract above."""

    @abc.abstractmethod
    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> nn.Module:
        """The module for a model of these shapes; without `kernels` it uses `fused()`."""

    def reach(self) -> int | None:
        """How many tokens an output sees at most, itself included, if that is meant to be few; None: all before it."""
        return None


class AttentionSettings(Mixer):
    """The settings that all kinds of softmax attention share."""

    qk_norm: Norm = slot("none")
    """A norm of queries and keys before the rotation; rmsnorm keeps scores within sqrt(D) at first (Qwen3)."""
    qk_norm_over: Literal["head", "all_heads"] = "head"
    """What qk_norm normalises: each head by itself (Qwen3), or all heads of a token together (OLMo 2)."""
    qkv_bias: bool | None = None
    """Whether the projections to queries, keys and values have biases (Qwen2: yes); null means as model.bias says."""
