"""y = W x + b for the rows that a thread has, with weights of 32, 16, 8 or 4 bits.

Almost all time of a step goes by here, waiting for weights from memory: float32 and bf16 numbers are read along their rows,
whole numbers tile by tile.
"""

import numpy as np
from numba import carray

from glassformer.generate.step.integers import (
    GROUP,
    ROWS,
    add_group4,
    add_group8,
    fast_group4,
    fast_group8,
    round_to_whole,
)
from glassformer.generate.step.records import floats, matrix16, matrix32, pointer
from glassformer.kernels._numbers_cpu import f32, i32, load
from glassformer.system.compiled import inline, kernel, sums_in_any_order


@inline
def share(rows, thread, n_threads):
    """(first, last) of the rows that a thread computes: whole blocks of 16."""
    blocks = (rows + ROWS - 1) // ROWS
    return min(rows, blocks * thread // n_threads * ROWS), min(rows, blocks * (thread + 1) // n_threads * ROWS)


@inline
def groups(n):
    """How many groups of 32 hold n numbers."""
    return (n + GROUP - 1) // GROUP


@sums_in_any_order
def multiply(w, x, y, first, last):
    """y[r] += sum_k w[r, k] x[k] for the rows from `first` to `last`."""
    for r in range(first, last):
        total = f32(0)
        for k in range(w.shape[1]):
            total += load(w[r, k]) * x[k]
        y[r] += total


@kernel
def multiply8(tiles, scales, u, d, total, y, first, last, sums, vnni):
    """The same for 8-bit tiles and x as whole numbers (`round_to_whole`)."""
    for b in range(first // ROWS, (last + ROWS - 1) // ROWS):
        sums[:] = f32(0)
        for g in range(d.shape[0]):
            minus = i32(i32(-128) * total[g])
            if vnni:
                fast_group8(tiles[b, g], u[g], minus, d[g], sums)
            else:
                add_group8(tiles[b, g], u[g], minus, d[g], sums)
        for r in range(b * ROWS, min(last, b * ROWS + ROWS)):
            y[r] += sums[r - b * ROWS] * scales[b, r - b * ROWS]


@kernel
def multiply4(tiles, scales, u, d, total, y, first, last, sums, vnni):
    """The same for 4-bit tiles."""
    for b in range(first // ROWS, (last + ROWS - 1) // ROWS):
        sums[:] = f32(0)
        for g in range(d.shape[0]):
            minus = i32(i32(-8) * total[g])
            if vnni:
                fast_group4(tiles[b, g], scales[b, g], u[g], minus, d[g], sums)
            else:
                add_group4(tiles[b, g], scales[b, g], u[g], minus, d[g], sums)
        for r in range(b * ROWS, min(last, b * ROWS + ROWS)):
            y[r] += sums[r - b * ROWS]


@kernel
def prepare(matrix, x, work):
    """Before any matrix of this precision is multiplied with x: whole numbers for tiles, nothing for others."""
    if matrix.bits <= 8:
        n = groups(x.shape[0])
        u, d = carray(pointer(work.whole), (n, GROUP), np.int8), floats(work.whole_scale, n)
        round_to_whole(x, u, d, carray(pointer(work.whole_sum), n, np.int32))


@kernel
def add_linear(matrix, x, work, y, first, last, vnni):
    """y[first:last] += (W x + b)[first:last]. `prepare` has seen this x."""
    M, K = matrix.rows, matrix.columns
    if matrix.bits == 32:
        multiply(matrix32(matrix.weight, M, K), x, y, first, last)
    elif matrix.bits == 16:
        multiply(matrix16(matrix.weight, M, K), x, y, first, last)
    else:
        B, G = (M + ROWS - 1) // ROWS, groups(K)
        u, d = carray(pointer(work.whole), (G, GROUP), np.int8), floats(work.whole_scale, G)
        total, sums = carray(pointer(work.whole_sum), G, np.int32), floats(work.sums, ROWS)
        if matrix.bits == 8:
            tiles = carray(pointer(matrix.weight), (B, G, 8, ROWS, 4), np.uint8)
            multiply8(tiles, matrix32(matrix.scales, B, ROWS), u, d, total, y, first, last, sums, vnni)
        else:
            tiles = carray(pointer(matrix.weight), (B, G, 4, ROWS, 4), np.uint8)
            scales = carray(pointer(matrix.scales), (B, G, ROWS), np.uint16)
            multiply4(tiles, scales, u, d, total, y, first, last, sums, vnni)
    if matrix.bias:
        b = floats(matrix.bias, M)
        for r in range(first, last):
            y[r] += b[r]


@kernel
def linear(matrix, x, work, y, first, last, vnni):
    """y[first:last] = (W x + b)[first:last]."""
    for r in range(first, last):
        y[r] = f32(0)
    add_linear(matrix, x, work, y, first, last, vnni)
