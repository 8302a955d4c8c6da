"""Where everything lies: the records that the compiled step reads.

A record holds sizes, and addresses of numbers that belong to the model or to its cache: nothing is copied, and one
compiled function serves all models. Numbers at an address are looked at as an array by `floats` and its like.
"""

from typing import Any

import numpy as np
from numba import carray, types

from glassformer.system.compiled import inline, intrinsic

MATRIX = np.dtype([
    ("bits", "i8"),
    ("rows", "i8"),
    ("columns", "i8"),
    ("weight", "i8"),  # float32 or bf16 (rows, columns), or tiles of 8 or 4 bits (kernels/tiles.py)
    ("scales", "i8"),  # of the tiles
    ("bias", "i8"),  # float32 (rows,); address 0 for none
], align=True)  # fmt: skip

NORM = np.dtype([("kind", "i8"), ("gain", "i8"), ("bias", "i8"), ("eps", "f4")], align=True)
NONE, LAYER_NORM, RMS_NORM = range(3)
"""NORM.kind. A bias of address 0 is none."""

LAYER = np.dtype([
    ("mixer_norm", NORM), ("q", MATRIX), ("k", MATRIX), ("v", MATRIX), ("q_norm", NORM), ("k_norm", NORM), ("o", MATRIX),
    ("mlp_norm", NORM), ("gate", MATRIX), ("up", MATRIX), ("down", MATRIX),
    ("keys", "i8"), ("values", "i8"), ("places", "i8"),  # (G, places, D) each; position p lies in place p mod places
], align=True)  # fmt: skip

MODEL = np.dtype([
    ("n_layer", "i8"), ("n_embd", "i8"), ("n_head", "i8"), ("n_kv_head", "i8"), ("head_dim", "i8"), ("n_hidden", "i8"),
    ("activation", "i8"), ("norm_all_heads", "i8"), ("cache_bits", "i8"),
    ("turned", "i8"), ("cos", "i8"), ("sin", "i8"),  # pairs of a head that are rotated, and (length, turned) float32
    ("final_norm", NORM), ("head", MATRIX), ("head_scale", "f4"),
    ("x", "i8"), ("q", "i8"), ("k", "i8"), ("v", "i8"), ("y", "i8"), ("hidden", "i8"), ("gate", "i8"), ("logits", "i8"),
    ("arrived", "i8"), ("vnni", "i8"),
], align=True)  # fmt: skip
GELU, GELU_EXACT, RELU, RELU2, SWIGLU, GEGLU = range(6)
"""MODEL.activation."""

WORK = np.dtype([
    ("h", "i8"), ("queries", "i8"), ("keys", "i8"), ("scores", "i8"),  # what one thread alone writes
    ("whole", "i8"), ("whole_scale", "i8"), ("whole_sum", "i8"), ("sums", "i8"),  # x as whole numbers (integers.py)
], align=True)  # fmt: skip


@intrinsic
def pointer(typing: Any, address: Any) -> Any:
    """An address as a pointer."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), code


@inline
def floats(address, n):
    """n float32."""
    return carray(pointer(address), n, np.float32)


@inline
def matrix32(address, m, n):
    """(m, n) float32."""
    return carray(pointer(address), (m, n), np.float32)


@inline
def matrix16(address, m, n):
    """(m, n) bits of bf16."""
    return carray(pointer(address), (m, n), np.uint16)


@inline
def heads32(address, g, n, d):
    """(g, n, d) float32."""
    return carray(pointer(address), (g, n, d), np.float32)


@inline
def heads16(address, g, n, d):
    """(g, n, d) bits of bf16."""
    return carray(pointer(address), (g, n, d), np.uint16)
