"""Products of whole numbers: 16 rows of weights times 32 numbers of x, for 8-bit and 4-bit tiles (kernels/tiles.py).

x is rounded to whole numbers too, in groups of 32 with a scale d_g each, as Q8_0 of llama.cpp is:

    d_g = max_{k in g} |x_k| / 127,   u_k = round(x_k / d_g)
    y_r = sum_g d_g s_rg sum_{k in g} q_rk u_k          s_rg the scale of the weights; for 8 bits one for the whole row

The inner sum is exact. The stored weights are q + offset, so it begins at minus = -offset sum u.
"""

import numpy as np

from glassformer.generate.step import vnni
from glassformer.kernels._numbers_cpu import f32, i32, load
from glassformer.system.compiled import kernel

GROUP, ROWS = 32, 16


@kernel
def round_to_whole(x, u, d, total):
    """x (K,) -> u (G, 32) int8, its scales d (G,) and its sums total (G,) int32. Behind the end u is 0."""
    K, largest = x.shape[0], np.empty(ROWS, f32)
    for g in range(d.shape[0]):
        full = g * GROUP + GROUP <= K
        for j in range(ROWS):
            a = abs(x[g * GROUP + j]) if full or g * GROUP + j < K else f32(0)
            b = abs(x[g * GROUP + ROWS + j]) if full or g * GROUP + ROWS + j < K else f32(0)
            largest[j] = a if a > b else b
        width = 8
        while width:
            for j in range(width):
                largest[j] = largest[j + width] if largest[j + width] > largest[j] else largest[j]
            width //= 2
        d[g] = largest[0] / f32(127)
        inverse, s = f32(127) / largest[0] if largest[0] > 0 else f32(0), i32(0)
        for j in range(GROUP):
            whole = i32(np.rint(x[g * GROUP + j] * inverse)) if full or g * GROUP + j < K else i32(0)
            u[g, j] = whole
            s += whole
        total[g] = s


@kernel
def add_group8(tile, u, minus, d, y):
    """y (16,) += d * (minus + sum of tile (8, 16, 4) times u (32,)). `vnni.add_group8` is its twin."""
    for r in range(ROWS):
        s = minus
        for four in range(8):
            for i in range(4):
                s += i32(tile[four, r, i]) * i32(u[4 * four + i])
        y[r] += f32(s) * d


@kernel
def add_group4(tile, scales, u, minus, d, y):
    """y (16,) += d * scales (16,) * (minus + sum of the halves of tile (4, 16, 4) times u (32,)). `vnni.add_group4` is its
    twin."""
    for r in range(ROWS):
        s = minus
        for four in range(4):
            for i in range(4):
                both = tile[four, r, i]
                s += i32(both & 15) * i32(u[4 * four + i]) + i32(both >> 4) * i32(u[16 + 4 * four + i])
        y[r] += f32(s) * (load(scales[r]) * d)


@kernel
def fast_group8(tile, u, minus, d, y):
    """`add_group8` by the instruction."""
    vnni.add_group8(tile.ctypes.data, u.ctypes.data, minus, d, y.ctypes.data)


@kernel
def fast_group4(tile, scales, u, minus, d, y):
    """`add_group4` by the instruction."""
    vnni.add_group4(tile.ctypes.data, scales.ctypes.data, u.ctypes.data, minus, d, y.ctypes.data)
